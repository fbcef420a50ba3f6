/** What the server says before its log collector runs: why it did not start is among it. */
import { openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterLayout } from './layout.js'

export interface StartupLog {
  /** For the server's output; the caller closes it. */
  readonly fd: number
  /** The last fatal line that came since it was opened, without the time and process before it. */
  lastWords(): string | undefined
}

/** Opens it for appending. Only its owner reads it: 0600. */
export function openStartupLog({ log }: ClusterLayout): StartupLog {
  const file = join(log, 'startup.log')
  const fd = openSync(file, 'a', 0o600)
  const before = statSync(file).size
  return {
    fd,
    lastWords: () =>
      readFileSync(file)
        .subarray(before)
        .toString()
        .match(/(?:FATAL|PANIC):.*/g)
        ?.at(-1),
  }
}
