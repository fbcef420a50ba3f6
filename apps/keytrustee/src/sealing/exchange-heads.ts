/** This server and its Key HSM record the heads of each other's audits. */
import type { Audit } from '@keyhsm/service'
import type { KeyHsmLink } from './key-hsm-link.js'

/** Longer is not worth holding up the end of the server. */
const deadlineMs = 2000

/** Exchanges heads with the Key HSM in use, when there is one and something was written since the last time. */
export class HeadExchange {
  readonly #audit: Audit
  readonly #link: () => KeyHsmLink | undefined
  #done = 0

  constructor(audit: Audit, link: () => KeyHsmLink | undefined) {
    this.#audit = audit
    this.#link = link
  }

  /** @throws what the call or the audit throws; the next round tries again. */
  async run(): Promise<void> {
    const link = this.#link()
    const { sequence, hash } = this.#audit.head()
    if (!link || sequence === this.#done) return
    const own = { log: this.#audit.id, sequence, hash }
    const peer = await link.calls.exchangeHeads(own, AbortSignal.timeout(deadlineMs))
    const after = await this.#audit.anchor(`keyhsm/${peer.log}`, peer.sequence, peer.hash)
    // The entry that records it is no reason for the next exchange; others that came meanwhile are.
    if (after.sequence === sequence + 1) this.#done = after.sequence
  }
}
