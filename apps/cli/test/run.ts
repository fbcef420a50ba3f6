/** Runs `keytrustee` in this process with a home of its own. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { type Io, runProgram } from '@keyhsm/command-line'
import { program } from '../src/program.js'

export interface Outcome {
  readonly status: number
  readonly out: Buffer
  readonly err: string
}

export interface TestClient {
  readonly home: string
  /** The folder of the client's files. */
  readonly folder: string
  run(argv: readonly string[], given?: Partial<Io> & { text?: string | Buffer }): Promise<Outcome>
  drop(): void
}

export function makeTestClient(): TestClient {
  const home = mkdtempSync(join(tmpdir(), 'keytrustee-'))
  return {
    home,
    folder: join(home, 'client'),
    drop: () => rmSync(home, { recursive: true }),
    async run(argv, { text = '', ...given } = {}) {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      const taken = [collect(stdout), collect(stderr)]
      const stdin = Readable.from([Buffer.from(text)])
      const io = { stdin, stdout, stderr, env: {}, isTerminal: false, ...given }
      const status = await runProgram(program, ['--home', home, ...argv], io)
      stdout.end()
      stderr.end()
      const [out, err] = await Promise.all(taken)
      return { status, out: out ?? Buffer.alloc(0), err: String(err) }
    },
  }
}

async function collect(stream: PassThrough): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
