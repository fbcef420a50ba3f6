/**
 * One call of a program, from its arguments to its exit status. The order matters: everything that can be refused is
 * refused first, files are read while the starter's rights are there, and the command runs with the service's rights.
 */
import { checkCall, optionGiven } from './input.js'
import { findHome } from './home.js'
import { openIo } from './io.js'
import { OutputWatch, printJson, printLine, printValue } from './output.js'
import { parseCommandLine } from './grammar.js'
import { printError } from './print-error.js'
import {
  dropPrivileges,
  ensureHome,
  findServiceAccount,
  homeExists,
  requireHome,
} from './privileges.js'
import { readFiles } from './read-files.js'
import { foregroundOption } from './service-commands.js'
import { compileForOneAnswer } from './short-life.js'
import type { Call } from './grammar.js'
import type { Home, Io, Program } from './records.js'

/**
 * Runs `argv` (without node and script) and returns the exit status; never throws.
 * @example process.exitCode = await runProgram(program, process.argv.slice(2))
 */
export async function runProgram(
  program: Program,
  argv: readonly string[],
  given: Partial<Io> = {},
): Promise<number> {
  const io = openIo(program.name, asksForJson(argv), given)
  const watch = new OutputWatch(io.stdout)
  io.stderr.on('error', () => {})
  try {
    const status = await answer(program, argv, io)
    await watch.flush()
    return status
  } catch (error) {
    return printError(error, io)
  } finally {
    letGo(io.stdin)
  }
}

/** An open standard input that was read from would keep the process alive. */
function letGo(stdin: NodeJS.ReadableStream & { unref?: () => void }): void {
  stdin.pause()
  stdin.unref?.()
}

function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json')
}

async function answer(program: Program, argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseCommandLine(program, argv)
  if (parsed.kind === 'version') {
    const { name, version } = program
    if (io.json) printJson({ name, version }, io)
    else printLine(`${name} ${version}`, io)
    return 0
  }
  if (parsed.kind === 'help') {
    const stream = parsed.asked ? io.stdout : io.stderr
    stream.write(parsed.text)
    return parsed.asked ? 0 : 2
  }
  return await runCall(program, parsed.call, { ...io, json: parsed.call.json })
}

async function runCall(program: Program, call: Call, io: Io): Promise<number> {
  const { command, args, options } = call
  if (!optionGiven(call, foregroundOption.flag)) compileForOneAnswer()
  checkCall(call, io)
  const files = await readFiles(call, io)
  const home = findHome(program, call.home, io.env)
  becomeServiceUser(program, call, { home, io })
  const value = await command.run({ args, options, files, home }, io)
  await printValue(command, value, io)
  return value === undefined ? 0 : (command.exitCode?.(value as never) ?? 0)
}

function becomeServiceUser(program: Program, call: Call, at: { home: Home; io: Io }): void {
  const user = call.command.dropTo ?? program.user
  if (user === undefined || user === false) return
  const account = findServiceAccount(user, at.io.env)
  const folder = at.home[user]
  const staysAway = optionGiven(call, 'dry-run') && !homeExists(folder)
  if (!call.command.setsUp) requireHome(folder, user, account)
  else if (!staysAway) ensureHome(folder, account)
  if (account) dropPrivileges(account, at.io, staysAway ? undefined : folder)
}
