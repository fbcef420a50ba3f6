import { isWantedStopped } from './cluster-status.js'
import { clusterLayout } from './layout.js'
import { findPostmaster } from './postmaster.js'
import { startCluster } from './start-cluster.js'

export interface SuperviseOptions {
  readonly directory: string
  readonly binaries?: string
  /** Between two looks. Default 1 s. */
  readonly intervalMs?: number
  /** After a failed start the pause doubles up to this. Default 30 s. */
  readonly maxIntervalMs?: number
  onRestarted?(pid: number): void
  onFailure?(error: unknown): void
}

export interface Supervision {
  /** Ends the watching, not the database. */
  stop(): Promise<void>
}

/**
 * Starts the private cluster again whenever it is gone though no operator stopped it. It is an affair of process ids
 * and files only: a look opens no connection.
 */
export function superviseCluster(options: SuperviseOptions): Supervision {
  const { intervalMs = 1_000, maxIntervalMs = 30_000 } = options
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let looking: Promise<void> = Promise.resolve()

  const schedule = (pauseMs: number) => {
    if (stopped) return
    timer = setTimeout(() => {
      looking = look(options).then((well) => {
        schedule(well ? intervalMs : Math.min(pauseMs * 2, maxIntervalMs))
      })
    }, pauseMs)
    timer.unref()
  }
  schedule(intervalMs)

  return {
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

/** False when it is gone and could not be started. Never throws. */
async function look(options: SuperviseOptions): Promise<boolean> {
  const layout = clusterLayout(options.directory)
  try {
    if ((await isWantedStopped(layout)) || (await findPostmaster(layout.data))) return true
    const { pid, adopted } = await startCluster(options)
    if (!adopted) options.onRestarted?.(pid)
    return true
  } catch (error) {
    options.onFailure?.(error)
    return false
  }
}
