/** Whom new connections trust: as the settings said at the start, or as a reload has said since. */
import type { Fingerprint } from '@keyhsm/core'
import type { NaeTls } from '../options.js'

export class TrustInUse {
  #tls: NaeTls | undefined

  constructor(tls: NaeTls | undefined) {
    this.#tls = tls
  }

  /** Undefined: plain TCP. */
  get tls(): NaeTls | undefined {
    return this.#tls
  }

  /** Other pins. @returns false when they are the same ones, or where there is no TLS: that takes a new connection. */
  change(pinned: readonly Fingerprint[]): boolean {
    if (this.#tls === undefined) return false
    const before = this.#tls.pinned ?? []
    if (before.length === pinned.length && before.every((pin) => pinned.includes(pin))) return false
    this.#tls = { pinned: [...pinned] }
    return true
  }
}
