/** The worker threads: starts them, posts jobs, hands back outcomes. Knows nothing of order or gates. */
import { Worker } from 'node:worker_threads'
import { DomainError } from '@keyhsm/core'
import { fromWireError } from '../wire-error.js'
import { withBuffers, withExactBytes } from './exact-bytes.js'
import type {
  JobFailure,
  JobMessage,
  Stamps,
  WorkerMessage,
  WorkerSetup,
} from './worker-messages.js'

/** What became of a job. */
export interface JobEnd {
  readonly job: number
  readonly result?: unknown
  readonly failure?: JobFailure
  readonly stamps: Stamps | undefined
}

export interface PoolEvents {
  readonly onEnds: (worker: number, ends: readonly JobEnd[]) => void
  /** A thread died: its library state is unknown, so the whole host must go. */
  readonly onLost: (reason: string) => void
}

/** Small heaps: a worker holds a few buffers at a time. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

export class WorkerPool {
  readonly #workers: readonly Worker[]
  readonly #outgoing: readonly JobMessage[][]
  #onEnds: ((worker: number, ends: readonly JobEnd[]) => void) | undefined

  /** Starts the threads at once, so that they come up while the library is initialised; they do not touch it yet. */
  constructor(count: number, onLost: PoolEvents['onLost']) {
    const entry = new URL('./worker-main.js', import.meta.url)
    this.#workers = Array.from({ length: count }, () => new Worker(entry, { resourceLimits }))
    this.#outgoing = this.#workers.map(() => [])
    for (const worker of this.#workers) {
      worker.on('error', (error) => onLost(`a session thread failed: ${error.name}`))
      worker.on('exit', () => onLost('a session thread ended'))
    }
  }

  get size(): number {
    return this.#workers.length
  }

  /**
   * Opens a session in each thread, one after the other, because some vendors refuse sessions opened in a rush.
   * @throws what the first thread that fails reports
   */
  async open(setup: WorkerSetup, onEnds: PoolEvents['onEnds']): Promise<void> {
    this.#onEnds = onEnds
    for (const [index, worker] of this.#workers.entries()) await this.#openOne(worker, index, setup)
  }

  /** Gives a job to a thread; it leaves with the next {@link flush}. */
  post(worker: number, message: JobMessage): void {
    this.#outgoing[worker]?.push(withExactBytes(message) as JobMessage)
  }

  /** Sends what was posted, in one message for each thread. */
  flush(): void {
    for (const [index, jobs] of this.#outgoing.entries()) {
      if (jobs.length > 0) this.#workers[index]?.postMessage(jobs.splice(0))
    }
  }

  #openOne(worker: Worker, index: number, setup: WorkerSetup): Promise<void> {
    return new Promise((resolve, reject) => {
      worker.on('message', (raw: WorkerMessage[]) => {
        const messages = withBuffers(raw) as WorkerMessage[]
        const [first] = messages
        if (first?.type === 'up') resolve()
        else if (first?.type === 'down') reject(fromWireError(first.failure.error))
        else this.#onEnds?.(index, messages as JobEnd[])
      })
      worker.once('exit', () => reject(new DomainError('ERR_HSM_UNAVAILABLE', 'a thread ended')))
      worker.postMessage(withExactBytes(setup))
    })
  }
}
