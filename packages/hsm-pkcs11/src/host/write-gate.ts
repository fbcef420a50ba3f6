/**
 * Which jobs may run beside each other: the profile's rule on writes, and the cross-process lock that look and write
 * need where a profile has one. Pure counting; the scheduler asks before each dispatch.
 */
import type { Pkcs11Profile } from '../profile.js'
import type { Access } from './jobs/job-table.js'

/**
 * `run`: now. `skip`: not now, later jobs may pass. `drain`: not now, and nothing may pass, or a write would wait for
 * ever behind a stream of reads.
 */
export type Admission = 'run' | 'skip' | 'drain'

export class WriteGate {
  readonly #writes: Pkcs11Profile['writes']
  #running = 0
  #writing = 0

  constructor(writes: Pkcs11Profile['writes']) {
    this.#writes = writes
  }

  /** True when nothing runs. */
  get idle(): boolean {
    return this.#running === 0
  }

  /** Whether a job with this access may start now. */
  admit(access: Access): Admission {
    if (this.#writes === 'concurrent') return 'run'
    if (access === 'write') return this.#admitWrite()
    return this.#writes === 'exclusive' && this.#writing > 0 ? 'drain' : 'run'
  }

  /** Counts a job that starts. */
  enter(access: Access): void {
    this.#running += 1
    if (access === 'write') this.#writing += 1
  }

  /** Counts a job that ended. */
  leave(access: Access): void {
    this.#running -= 1
    if (access === 'write') this.#writing -= 1
  }

  #admitWrite(): Admission {
    if (this.#writes === 'serial') return this.#writing > 0 ? 'skip' : 'run'
    return this.#running > 0 ? 'drain' : 'run'
  }
}
