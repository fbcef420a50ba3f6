/**
 * Waiting jobs in order of urgency. Each class has a handicap: a job's place is its arrival plus the handicap, so unwraps
 * go before wraps, wraps before new keys, new keys before listings, and nothing waits for ever.
 */
import type { Access, JobName } from './jobs/job-table.js'

/** Classes of jobs, most urgent first, with their handicap in milliseconds. */
export const urgencies = { unwrap: 0, wrap: 30, create: 200, list: 1000 } as const
export type Urgency = keyof typeof urgencies

/** The call that a job belongs to, shared by all its jobs. */
export interface CallControl {
  readonly urgency: Urgency
  /** Set when the caller no longer waits: a waiting job is dropped. */
  dropped: boolean
  /** Set when the device was asked for the first time. */
  begun: boolean
}

/** A job waiting for a worker. */
export interface WaitingJob {
  readonly name: JobName
  readonly args: unknown
  readonly access: Access
  readonly control: CallControl
  readonly queuedAt: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

/** A lane of its own for what may have to wait for the cross-process lock: it must not hold up what needs no lock. */
interface Lanes {
  readonly free: WaitingJob[]
  readonly locked: WaitingJob[]
}

function newLanes(): Lanes {
  return { free: [], locked: [] }
}

export class JobQueue {
  readonly #lanes: Readonly<Record<Urgency, Lanes>> = {
    unwrap: newLanes(),
    wrap: newLanes(),
    create: newLanes(),
    list: newLanes(),
  }
  readonly #all = Object.values(this.#lanes).flatMap(({ free, locked }) => [free, locked])
  #size = 0
  #locked = 0

  get size(): number {
    return this.#size
  }

  /** Whether a job waits that needs the cross-process lock. */
  get lockedJobsWait(): boolean {
    return this.#locked > 0
  }

  push(job: WaitingJob): void {
    this.#laneOf(job).push(job)
    this.#count(job, 1)
  }

  /** The first job of each lane, most urgent first; dropped ones are taken out and given to `onDropped`. */
  heads(onDropped: (job: WaitingJob) => void): WaitingJob[] {
    const heads: WaitingJob[] = []
    for (const lane of this.#all) {
      let head = lane[0]
      while (head?.control.dropped) {
        this.take(head)
        onDropped(head)
        head = lane[0]
      }
      if (head) heads.push(head)
    }
    return heads.sort((one, other) => place(one) - place(other))
  }

  /** Takes out a job that stands first in its lane. */
  take(job: WaitingJob): void {
    this.#laneOf(job).shift()
    this.#count(job, -1)
  }

  /** Takes out everything. */
  clear(): WaitingJob[] {
    this.#size = 0
    this.#locked = 0
    return this.#all.flatMap((lane) => lane.splice(0))
  }

  #laneOf({ control, access }: WaitingJob): WaitingJob[] {
    const { free, locked } = this.#lanes[control.urgency]
    return access === 'use' ? free : locked
  }

  #count(job: WaitingJob, step: 1 | -1): void {
    this.#size += step
    if (job.access !== 'use') this.#locked += step
  }
}

function place({ queuedAt, control }: WaitingJob): number {
  return queuedAt + urgencies[control.urgency]
}
