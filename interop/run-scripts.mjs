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
import { Stack, softhsmModule } from './lib/stack.mjs'

const args = process.argv.slice(2)
const verbose = args.includes('--verbose')
const reportAt = args.indexOf('--report')
const reportFile = reportAt >= 0 ? args[reportAt + 1] : undefined
const wanted = args.filter(
  (arg, index) => !arg.startsWith('--') && (reportAt < 0 || index !== reportAt + 1),
)
const folder = join(root, 'interop', 'scripts')

/** A line that did not hold; anything else thrown is a fault of the runner. */
class LineFailed extends Error {}

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
  const fault = await runLines(stack, readFileSync(join(folder, file), 'utf8').split('\n')).catch(
    (error) => (error instanceof LineFailed ? error.message : (error.stack ?? String(error))),
  )
  const leak = await stack.remove().catch((error) => error.message)
  return fault ?? leak
}

async function runLines(stack, lines) {
  let last
  for (const [index, line] of lines.entries()) {
    const fail = (what) => {
      throw new LineFailed(`line ${index + 1}: ${line}\n${what}`)
    }
    if (line === '@stack') await stack.bringUp()
    else if (line === '@token') await stack.makeToken()
    else if (line === '@keyhsm') {
      await stack.makeToken()
      await stack.setUpKeyHsm()
    } else if (line.startsWith('$ ')) last = await runCommand(stack, line.slice(2), 0, fail)
    else if (/^!\[\d+\] /.test(line)) {
      last = await runCommand(
        stack,
        line.slice(line.indexOf(']') + 2),
        Number(/\d+/.exec(line)[0]),
        fail,
      )
    } else if (line.startsWith('> ')) {
      if (!matches(last, line.slice(2))) fail(`not in the output:\n${last}`)
    } else if (line.startsWith('< ')) {
      if (matches(last, line.slice(2))) fail(`in the output:\n${last}`)
    } else if (line !== '' && !line.startsWith('#')) fail('not a line of a script')
  }
}

/** Variables of a script: the stack's own facts, by name. */
async function runCommand(stack, command, exit, fail) {
  Object.assign(stack.shell.env, {
    URL: stack.url,
    KEYHSM_PORT: String(stack.ports.keyhsm),
    MANAGEMENT_PORT: String(stack.ports.management),
    TRUSTEE_PORT: String(stack.ports.trustee),
    PIN_FILE: stack.pinFile,
    AUTH_FILE: stack.authFile,
    MODULE: softhsmModule,
    AS_KEYHSM: stack.asKeyHsm,
    SECRET: stack.secret.toString(),
  })
  const result = await stack.run(command, { exit: 'any' })
  const output = result.stdout + result.stderr
  if (result.exit !== exit) fail(`exit ${result.exit}, expected ${exit}\n${output}`)
  return output
}

function matches(output, pattern) {
  const expression = /^\/(.*)\/$/.exec(pattern)
  return expression ? new RegExp(expression[1], 'm').test(output) : output.includes(pattern)
}
