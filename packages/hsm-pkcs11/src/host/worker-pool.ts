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
  readonly onEnd: (worker: number, end: JobEnd) => void
  /** A thread died: its library state is unknown, so the whole host must go. */
  readonly onLost: (reason: string) => void
}

/** Small heaps: a worker holds a few buffers at a time. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 }

export class WorkerPool {
  readonly #workers: readonly Worker[]

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers
  }

  /** Starts `count` threads one after the other, because some vendors refuse sessions opened in a rush. */
  static async start(setup: WorkerSetup, count: number, events: PoolEvents): Promise<WorkerPool> {
    const workers: Worker[] = []
    for (let index = 0; index < count; index += 1) {
      workers.push(await startWorker(setup, index, events))
    }
    return new WorkerPool(workers)
  }

  get size(): number {
    return this.#workers.length
  }

  /** Sends a job to a thread; `args` are copied and the copies wiped here. */
  post(worker: number, message: JobMessage): void {
    const exact = withExactBytes(message)
    this.#workers[worker]?.postMessage(exact)
  }
}

function startWorker(setup: WorkerSetup, index: number, events: PoolEvents): Promise<Worker> {
  const entry = new URL('./worker-main.js', import.meta.url)
  const worker = new Worker(entry, { workerData: withExactBytes(setup), resourceLimits })
  worker.on('error', (error) => events.onLost(`a session thread failed: ${error.name}`))
  worker.on('exit', () => events.onLost('a session thread ended'))
  return new Promise((resolve, reject) => {
    worker.on('message', (raw: WorkerMessage) => {
      const message = withBuffers(raw) as WorkerMessage
      if (message.type === 'up') resolve(worker)
      else if (message.type === 'down') reject(fromWireError(message.failure.error))
      else events.onEnd(index, message)
    })
    worker.once('exit', () => reject(new DomainError('ERR_HSM_UNAVAILABLE', 'a thread ended')))
  })
}
