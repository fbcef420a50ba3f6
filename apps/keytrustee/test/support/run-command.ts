/** Runs a command of a program in this process, as its own user, and collects what it says. */
import { Readable, Writable } from 'node:stream'
import { type Program, runProgram } from '@keyhsm/command-line'

export interface Said {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

class Sink extends Writable {
  text = ''

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

/** `root` is the home; answers to questions come from `stdin`. Privileges are left alone: tests may run as root. */
export async function runCommand(
  program: Program,
  root: string,
  argv: readonly string[],
  o: {
    readonly stdin?: string
    readonly isTerminal?: boolean
    readonly env?: Record<string, string>
  } = {},
): Promise<Said> {
  const [stdout, stderr] = [new Sink(), new Sink()]
  const { user: _, ...plain } = program
  const exit = await runProgram(plain, [...argv, '--home', root], {
    stdin: Readable.from([o.stdin ?? '']),
    stdout,
    stderr,
    env: o.env ?? {},
    isTerminal: o.isTerminal ?? false,
  })
  return { exit, stdout: stdout.text, stderr: stderr.text }
}
