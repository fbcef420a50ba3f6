import { DomainError } from '@keyhsm/core'
import { writePrivateFile } from './files.js'
import { clusterLayout } from './layout.js'
import { clusterOwner } from './owner.js'
import { findPostmaster } from './postmaster.js'
import { waitFor } from './wait.js'

export interface StopOptions {
  readonly directory: string
  /** How long a fast shutdown may take before it becomes an immediate one. Default 30 s. */
  readonly timeoutMs?: number
}

/** An immediate shutdown writes nothing; the next start recovers from the log. */
const immediateTimeoutMs = 10_000

/**
 * Stops the private cluster (fast shutdown: open transactions are rolled back) by its postmaster's pid, and remembers
 * that it was wanted, so that a supervisor does not start it again.
 *
 * @throws ERR_STORE_UNAVAILABLE when it does not end
 */
export async function stopCluster(options: StopOptions): Promise<'stopped' | 'not-running'> {
  clusterOwner()
  const layout = clusterLayout(options.directory)
  const postmaster = await findPostmaster(layout.data)
  if (!postmaster) return 'not-running'
  await writePrivateFile(layout.stopped, '')
  const ended = async () => ((await findPostmaster(layout.data)) ? undefined : true)
  for (const [signal, timeoutMs] of [
    ['SIGINT', options.timeoutMs ?? 30_000],
    ['SIGQUIT', immediateTimeoutMs],
  ] as const) {
    signalProcess(postmaster.pid, signal)
    if (await waitFor(timeoutMs, ended)) return 'stopped'
  }
  throw new DomainError('ERR_STORE_UNAVAILABLE', 'the private database does not stop', {
    hints: [`see the files in ${layout.log}`],
  })
}

/** It may have ended since it was found. */
function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
