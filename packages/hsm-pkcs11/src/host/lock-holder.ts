/**
 * When to take and let go of the cross-process lock: taken for the first job that needs it, kept while more such jobs
 * follow, but not longer than others can bear, and then left alone for a moment so that they get it.
 */
import type { Access } from './jobs/job-table.js'
import type { TokenLock } from './token-lock.js'

/** Longest the lock is kept while others wait, and the pause after it; milliseconds. */
const holdMs = 50
const yieldMs = 8

type State = 'free' | 'wanted' | 'held' | 'yielding'

export class LockHolder {
  readonly #lock: TokenLock | undefined
  readonly #onHeld: () => void
  readonly #closing = new AbortController()
  #state: State = 'free'
  #inside = 0
  #wantedAgain = false
  #heldSince = 0

  /** `onHeld` is called each time jobs that need the lock can go on. */
  constructor(lock: TokenLock | undefined, onHeld: () => void) {
    this.#lock = lock
    this.#onHeld = onHeld
  }

  /** Whether a job with this access may start as far as the lock goes; asking for it when not. */
  enterable(access: Access): boolean {
    if (!this.#lock || access === 'use') return true
    if (this.#state === 'held') return !this.#mustYield()
    if (this.#state === 'free') this.#want(this.#lock)
    else if (this.#state === 'yielding') this.#wantedAgain = true
    return false
  }

  enter(access: Access): void {
    if (access !== 'use') this.#inside += 1
  }

  leave(access: Access): void {
    if (access !== 'use') this.#inside -= 1
  }

  /** Called after each round of dispatching: lets go of the lock when nothing needs it, or when others had to wait. */
  settle(lockedJobsWait: boolean): void {
    if (!this.#lock || this.#state !== 'held' || this.#inside > 0) return
    if (lockedJobsWait && !this.#mustYield()) return
    const { contended } = this.#lock
    this.#lock.release()
    this.#state = contended ? 'yielding' : 'free'
    this.#wantedAgain = lockedJobsWait
    if (contended) setTimeout(() => this.#afterYield(), yieldMs)
  }

  /** Stops asking for the lock. One that is held stays so until what runs inside has ended. */
  close(): void {
    this.#closing.abort()
  }

  #mustYield(): boolean {
    return this.#lock?.contended === true && performance.now() - this.#heldSince > holdMs
  }

  #want(lock: TokenLock): void {
    this.#state = 'wanted'
    void lock.acquire(this.#closing.signal).then((held) => {
      if (!held) return
      this.#state = 'held'
      this.#heldSince = performance.now()
      this.#onHeld()
    })
  }

  #afterYield(): void {
    this.#state = 'free'
    if (this.#wantedAgain) this.#onHeld()
    this.#wantedAgain = false
  }
}
