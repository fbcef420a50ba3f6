/**
 * Lines that a person can read and a program can run:
 *
 *   # comment
 *   $ command                    must exit 0
 *   ![2] command                 must exit 2
 *   > text or /regular expression/   must be in the output (stdout and stderr) of the command before
 *   < text or /regular expression/   must not be
 *   >> text or /regular expression/  must come into it within 45 seconds; until then the command is repeated,
 *                                    whatever it ends with
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { softhsmModule } from './stack.mjs'

const patienceMs = 45_000

/** A line that did not hold; anything else thrown is a fault of the runner. */
export class LineFailed extends Error {}

/**
 * Runs the lines one after the other. `directives`: what a line that begins with @ does, by the line.
 * @throws LineFailed at the first that does not hold.
 */
export async function runLines(stack, lines, directives = {}) {
  let last = { command: 'true', output: '' }
  for (const [index, line] of lines.entries()) {
    const fail = (what) => {
      throw new LineFailed(`line ${index + 1}: ${line}\n${what}`)
    }
    if (Object.hasOwn(directives, line)) await directives[line](stack)
    else
      last = await runLine(stack, line, { last, fail, waits: lines[index + 1]?.startsWith('>> ') })
  }
}

/** What the last command said after this line. */
async function runLine(stack, line, { last, fail, waits }) {
  const [, mark, text] = /^(\$|!\[\d+\]|>>|>|<) (.+)$/.exec(line) ?? []
  if (mark === '>>') return await repeat(stack, last, text, fail)
  if (mark === '>' || mark === '<') {
    if (matches(last.output, text) !== (mark === '>'))
      fail(`${mark === '>' ? 'not ' : ''}in the output:\n${last.output}`)
    return last
  }
  if (mark === undefined) {
    if (line !== '' && !line.startsWith('#')) fail('not a line of a script')
    return last
  }
  const expected = Number(/\d+/.exec(mark) ?? 0)
  const { exit, output } = await runCommand(stack, text)
  if (exit !== expected && !waits) fail(`exit ${exit}, expected ${expected}\n${output}`)
  return { command: text, output }
}

async function repeat(stack, { command }, text, fail) {
  const until = Date.now() + patienceMs
  for (;;) {
    const { output } = await runCommand(stack, command)
    if (matches(output, text)) return { command, output }
    if (Date.now() > until) fail(`not in the output within ${patienceMs / 1000} s:\n${output}`)
    await sleep(250)
  }
}

/** Variables of a script: the stack's own facts, by name. */
async function runCommand(stack, command) {
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
  const { exit, stdout, stderr } = await stack.run(command, { exit: 'any' })
  return { exit, output: stdout + stderr }
}

function matches(output, pattern) {
  const expression = /^\/(.*)\/$/.exec(pattern)
  return expression ? new RegExp(expression[1], 'm').test(output) : output.includes(pattern)
}
