/** Long work tells how far it is. */
import type { Io } from '@keyhsm/command-line'

const everyMs = 5_000

/** Says how far long work is, not more often than every five seconds. */
export function progressTo(io: Io): (line: string) => void {
  let last = Date.now()
  return (line) => {
    if (Date.now() - last < everyMs) return
    last = Date.now()
    io.words(line)
  }
}
