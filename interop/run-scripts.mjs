#!/usr/bin/env node
/**
 * Runs `interop/scripts/*.script`: whole-product tests that an operator can read. Each script gets a stack of its own.
 *
 *   # comment                    shown with a failure
 *   @stack                       brings up token, Key HSM, Trustee Server, organisation and client
 *   @token                       only a token and an empty home
 *   @keyhsm                      a token and a Key HSM that is set up, not started
 *   $ command                    must exit 0
 *   ![2] command                 must exit 2
 *   > text or /regular expression/   must be in the output (stdout and stderr) of the command before
 *   < text or /regular expression/   must not be
 *
 *   node interop/run-scripts.mjs [NAME…] [--at-once N] [--report FILE] [--verbose]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { Stack } from './lib/stack.mjs'
import { LineFailed, runLines } from './lib/script-lines.mjs'

const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    'at-once': { type: 'string', default: '1' },
    report: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const folder = join(root, 'interop', 'scripts')

/** What a script begins with. */
const directives = {
  '@stack': (stack) => stack.bringUp(),
  '@token': (stack) => stack.makeToken(),
  '@keyhsm': async (stack) => {
    await stack.makeToken()
    await stack.setUpKeyHsm()
  },
}

await runMain(async () => {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.script'))
    .sort()
  const chosen = files.filter(
    (name) => wanted.length === 0 || wanted.includes(name.replace('.script', '')),
  )
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const cases = []
  const runAll = async () => {
    for (let file = chosen.shift(); file; file = chosen.shift()) {
      const { status, why } = await runAndTell(file)
      counts[status] += 1
      cases.push({ name: `interop/scripts/${file}`, status, why })
    }
  }
  await Promise.all(Array.from({ length: Number(options['at-once']) || 1 }, runAll))
  if (options.report)
    writeFileSync(join(root, options.report), JSON.stringify({ ...counts, cases }))
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1
})

async function runAndTell(file) {
  const began = Date.now()
  const fault = await runScript(file)
  const status = fault ? 'failed' : 'passed'
  console.log(`${status}  ${file} (${((Date.now() - began) / 1000).toFixed(1)} s)`)
  if (fault) console.log(fault.replaceAll(/^/gm, '  '))
  return { status, why: fault }
}

/** Undefined when every line held, else what did not. */
async function runScript(file) {
  const stack = await Stack.create({ print: options.verbose ? console.log : undefined })
  const text = readFileSync(join(folder, file), 'utf8')
  const fault = await runLines(stack, text.split('\n'), directives).catch((error) =>
    error instanceof LineFailed ? error.message : (error.stack ?? String(error)),
  )
  const leak = await stack.remove().catch((error) => error.message)
  return fault ?? leak
}
