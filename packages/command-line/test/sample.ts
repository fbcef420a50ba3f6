/** A program and an input and output to run it with, shared by the tests of this package. */
import { PassThrough, Readable } from 'node:stream'
import { homeIn } from '../src/home.js'
import type { Command, Io, Program } from '../src/records.js'
import { runProgram } from '../src/run-program.js'

export function programOf(...commands: Command[]): Program {
  return {
    name: 'sample',
    version: '1.2.3',
    summary: 'a program for tests',
    commands,
    defaultHome: () => homeIn('/nonexistent/sample'),
  }
}

/** A command that returns its input. */
export function echoCommand(record: Partial<Command> = {}): Command {
  return { name: 'echo', summary: 'return the input', run: async (input) => input, ...record }
}

export interface Outcome {
  readonly status: number
  readonly out: string
  readonly err: string
}

/** Runs `argv` with `stdin` as piped input. */
export async function runWith(
  program: Program,
  argv: readonly string[],
  given: Partial<Io> & { text?: string } = {},
): Promise<Outcome> {
  const { text = '', ...rest } = given
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const io = { stdin: Readable.from([Buffer.from(text)]), stdout, stderr, env: {}, ...rest }
  const status = await runProgram(program, argv, io)
  return { status, out: taken(stdout), err: taken(stderr) }
}

function taken(stream: PassThrough): string {
  return String(stream.read() ?? '')
}
