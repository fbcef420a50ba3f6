/**
 * Decides which waiting job goes to which worker: urgency, the write gate, the cross-process lock, one key generation
 * per half of the workers, and a few short jobs a worker so that none idles during a message round trip.
 */
import { DomainError } from '@keyhsm/core'
import type { Pkcs11Profile } from '../profile.js'
import { failureTraits } from '../return-codes.js'
import { fromWireError } from '../wire-error.js'
import { maxRepeats, pauseBefore } from './busy-device.js'
import { type CallControl, JobQueue, type WaitingJob } from './job-queue.js'
import { type Access, type JobName, type Jobs, jobTable, stamped } from './jobs/job-table.js'
import type { KnownStamp } from './known-stamp.js'
import { LockHolder } from './lock-holder.js'
import type { TokenLock } from './token-lock.js'
import type { JobFailure } from './worker-messages.js'
import type { JobEnd, WorkerPool } from './worker-pool.js'
import { WriteGate } from './write-gate.js'

/** Short jobs a worker is given at once: the next ones start while the first's result travels. */
const depth = 4

/** An error thrown by a job, with the class of the library's answer where it gave one. */
export class JobError extends Error {
  readonly error: DomainError
  readonly means: JobFailure['means']

  constructor({ error, means }: JobFailure) {
    super(error.detail)
    this.error = fromWireError(error)
    this.means = means
  }
}

export interface SchedulerParts {
  readonly pool: WorkerPool
  readonly profile: Pkcs11Profile
  readonly lock: TokenLock | undefined
  readonly stamp: KnownStamp
}

interface RunningJob extends WaitingJob {
  readonly worker: number
}

/** The queue, the gate, the lock and the workers, put together. */
export class Scheduler {
  readonly #pool: WorkerPool
  readonly #profile: Pkcs11Profile
  readonly #queue = new JobQueue()
  readonly #gate: WriteGate
  readonly #lock: LockHolder
  readonly #running = new Map<number, RunningJob>()
  readonly #stamp: KnownStamp
  readonly #load: number[]
  /** When each worker turned to the job it works on. */
  readonly #turnSince: number[] = []
  #nextJob = 1
  #consecutiveFaults = 0

  constructor({ pool, profile, lock, stamp }: SchedulerParts) {
    this.#pool = pool
    this.#profile = profile
    this.#stamp = stamp
    this.#gate = new WriteGate(profile.writes)
    this.#lock = new LockHolder(lock, () => this.#pump())
    this.#load = Array.from({ length: pool.size }, () => 0)
  }

  /** Device faults since the last job that went well. */
  get consecutiveFaults(): number {
    return this.#consecutiveFaults
  }

  /** Nothing waits and nothing runs. */
  get idle(): boolean {
    return this.#queue.size === 0 && this.#running.size === 0
  }

  /**
   * Queues a job and resolves with its result. One that may be repeated is tried again while the device is busy.
   * @throws JobError when it failed; DomainError ERR_BUSY when the caller stopped waiting.
   */
  async submit<Name extends JobName>(
    name: Name,
    args: Jobs[Name]['args'],
    control: CallControl,
  ): Promise<Jobs[Name]['result']> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#enqueue(name, args, control)
      } catch (error) {
        if (!mayRepeat(name, error) || attempt === maxRepeats) throw error
      }
      await pauseBefore(attempt)
    }
  }

  /** Takes outcomes of jobs from the pool. */
  end(worker: number, ends: readonly JobEnd[]): void {
    for (const end of ends) this.#endOne(worker, end)
    this.#pump()
  }

  /** The name of a job that has run longer than its kind may, if there is one. */
  findHung(now: number): JobName | undefined {
    const { useMs, lookMs, writeMs } = this.#profile.limits
    const limits: Record<Access, number> = {
      use: useMs,
      look: lookMs,
      make: writeMs,
      write: writeMs,
    }
    const seen = new Set<number>()
    for (const { name, access, worker } of this.#running.values()) {
      // The oldest of a worker is the one it works on; the others wait behind it.
      if (seen.has(worker)) continue
      seen.add(worker)
      if (now - (this.#turnSince[worker] ?? now) > limits[access]) return name
    }
    return undefined
  }

  /** Drops everything that waits; what runs goes on. */
  close(): void {
    const closed = new DomainError('ERR_HSM_UNAVAILABLE', 'the HSM backend is closing')
    for (const job of this.#queue.clear()) job.reject(closed)
    this.#lock.close()
  }

  #enqueue<Name extends JobName>(
    name: Name,
    args: Jobs[Name]['args'],
    control: CallControl,
  ): Promise<Jobs[Name]['result']> {
    return new Promise((resolve, reject) => {
      const { access } = jobTable[name]
      const queuedAt = performance.now()
      const settle = resolve as (result: unknown) => void
      this.#queue.push({ name, args, access, control, queuedAt, resolve: settle, reject })
      this.#pump()
    })
  }

  #endOne(worker: number, { job, result, failure, stamps }: JobEnd): void {
    const running = this.#running.get(job)
    if (!running) return
    this.#running.delete(job)
    this.#load[worker] = (this.#load[worker] ?? 1) - 1
    this.#turnSince[worker] = performance.now()
    this.#gate.leave(running.access)
    this.#lock.leave(running.access)
    if (stamps) this.#stamp.follow(running.name, stamps)
    if (failure) this.#fail(running, failure)
    else {
      this.#consecutiveFaults = 0
      running.resolve(result)
    }
  }

  #fail(job: RunningJob, failure: JobFailure): void {
    if (failure.means) this.#consecutiveFaults += failureTraits[failure.means].fault
    job.reject(new JobError(failure))
  }

  #pump(): void {
    while (this.#dispatchOne()) {
      // Each round may have changed what is admitted.
    }
    this.#pool.flush()
    this.#lock.settle(this.#queue.lockedJobsWait)
  }

  #dispatchOne(): boolean {
    const dropped = (job: WaitingJob) => job.reject(new DomainError('ERR_BUSY', 'not waited for'))
    for (const job of this.#queue.heads(dropped)) {
      if (!this.#lock.enterable(job.access)) continue
      const admission = this.#gate.admit(job.access)
      if (admission === 'drain') return false
      if (admission === 'skip') continue
      const worker = this.#freeWorker(job)
      if (worker === undefined) continue
      this.#dispatch(job, worker)
      return true
    }
    return false
  }

  #freeWorker(job: WaitingJob): number | undefined {
    if (job.access === 'make' && !this.#mayGenerate()) return undefined
    let best: number | undefined
    for (let worker = 0; worker < this.#load.length; worker += 1) {
      const load = this.#load[worker] ?? 0
      if (load >= depth || this.#holdsLongJob(worker)) continue
      if (best === undefined || load < (this.#load[best] ?? 0)) best = worker
    }
    return best
  }

  #mayGenerate(): boolean {
    const generating = [...this.#running.values()].filter((job) => job.access === 'make')
    return generating.length < Math.max(1, Math.floor(this.#pool.size / 2))
  }

  #holdsLongJob(worker: number): boolean {
    for (const job of this.#running.values()) {
      if (job.worker === worker && job.access !== 'use') return true
    }
    return false
  }

  #dispatch(job: WaitingJob, worker: number): void {
    this.#queue.take(job)
    const number = this.#nextJob++
    job.control.begun = true
    const load = this.#load[worker] ?? 0
    if (load === 0) this.#turnSince[worker] = performance.now()
    this.#load[worker] = load + 1
    this.#gate.enter(job.access)
    this.#lock.enter(job.access)
    this.#running.set(number, { ...job, worker })
    const knownStamp = stamped(job.name) ? this.#stamp.value : undefined
    this.#pool.post(worker, { job: number, name: job.name, args: job.args, knownStamp })
  }
}

function mayRepeat(name: JobName, error: unknown): boolean {
  if (!(error instanceof JobError) || !error.means) return false
  return failureTraits[error.means].repeat && jobTable[name].repeatable
}
