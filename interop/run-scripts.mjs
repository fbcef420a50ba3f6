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
 *   node interop/run-scripts.mjs [NAME…] [--report FILE] [--verbose]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runMain } from '../scripts/lib/say.mjs'
import { root } from '../scripts/lib/sources.mjs'
import { Stack } from './lib/stack.mjs'
import { LineFailed, runLines } from './lib/script-lines.mjs'

const args = process.argv.slice(2)
const verbose = args.includes('--verbose')
const reportAt = args.indexOf('--report')
const reportFile = reportAt >= 0 ? args[reportAt + 1] : undefined
const wanted = args.filter(
  (arg, index) => !arg.startsWith('--') && (reportAt < 0 || index !== reportAt + 1),
)
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
  for (const file of chosen) {
    const began = Date.now()
    const fault = await runScript(file)
    counts[fault ? 'failed' : 'passed'] += 1
    cases.push({ name: `interop/scripts/${file}`, status: fault ? 'failed' : 'passed' })
    console.log(
      `${fault ? 'failed' : 'passed'}  ${file} (${((Date.now() - began) / 1000).toFixed(1)} s)`,
    )
    if (fault) console.log(fault.replaceAll(/^/gm, '  '))
  }
  if (reportFile) writeFileSync(join(root, reportFile), JSON.stringify({ ...counts, cases }))
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1
})

/** Undefined when every line held, else what did not. */
async function runScript(file) {
  const stack = await Stack.create({ print: verbose ? console.log : undefined })
  const text = readFileSync(join(folder, file), 'utf8')
  const fault = await runLines(stack, text.split('\n'), directives).catch((error) =>
    error instanceof LineFailed ? error.message : (error.stack ?? String(error)),
  )
  const leak = await stack.remove().catch((error) => error.message)
  return fault ?? leak
}
