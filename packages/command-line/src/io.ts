/** The input and output of one call, made from the process's streams unless a test gives others. */
import { readPrompted } from './prompt.js'
import type { Io } from './records.js'

/** `given` replaces single members; everything that is derived (`words`, `ask`) uses the replaced streams. */
export function openIo(program: string, json: boolean, given: Partial<Io> = {}): Io {
  const streams = {
    stdin: given.stdin ?? process.stdin,
    stdout: given.stdout ?? process.stdout,
    stderr: given.stderr ?? process.stderr,
  }
  const say = (line: string) => void streams.stderr.write(`${line}\n`)
  const isTerminal = given.isTerminal ?? (isTty(streams.stdin) && isTty(streams.stderr))
  return {
    ...streams,
    env: process.env,
    isTerminal,
    json,
    ask: (prompt) => readPrompted({ ...streams, prompt, echo: true }),
    askSecret: (prompt, shown = '') => readPrompted({ ...streams, prompt, echo: false, shown }),
    words: (line) => say(`${program}: ${line}`),
    hint: (line) => say(`hint: ${line}`),
    ...given,
  }
}

function isTty(stream: object): boolean {
  return 'isTTY' in stream && stream.isTTY === true
}
