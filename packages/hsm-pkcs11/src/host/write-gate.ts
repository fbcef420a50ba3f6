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
  readonly #running: Record<Access, number> = { use: 0, look: 0, make: 0, write: 0 }

  constructor(writes: Pkcs11Profile['writes']) {
    this.#writes = writes
  }

  /** True when nothing runs. */
  get idle(): boolean {
    return this.#runs('use', 'look', 'make', 'write') === 0
  }

  /** Whether a job with this access may start now. */
  admit(access: Access): Admission {
    if (this.#writes === 'concurrent') return 'run'
    if (this.#writes === 'serial') {
      const writes = access === 'make' || access === 'write'
      return writes && this.#runs('make', 'write') > 0 ? 'skip' : 'run'
    }
    return this.#admitExclusive(access)
  }

  /** Counts a job that starts. */
  enter(access: Access): void {
    this.#running[access] += 1
  }

  /** Counts a job that ended. */
  leave(access: Access): void {
    this.#running[access] -= 1
  }

  /** A key takes up to seconds to make: uses go on meanwhile, also past looks that wait for it. */
  #admitExclusive(access: Access): Admission {
    if (this.#runs('write') > 0) return 'drain'
    if (access === 'use') return 'run'
    if (access === 'write') return this.idle ? 'run' : 'drain'
    const beside = access === 'make' ? this.#runs('make', 'look') : this.#runs('make')
    return beside > 0 ? 'skip' : 'run'
  }

  #runs(...accesses: readonly Access[]): number {
    return accesses.reduce((sum, access) => sum + this.#running[access], 0)
  }
}
