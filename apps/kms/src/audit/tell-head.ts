/** The Trustee Server records the head of this KMS's audit: what is cut here afterwards is missed there. */
import type { TrusteeClient } from '@keyhsm/client'
import { toDomainError } from '@keyhsm/core'
import type { Audit, Log } from '@keyhsm/service'

/** Longer is not worth holding up the end of the service. */
const deadlineMs = 2_000

export interface HeadTellingOptions {
  readonly audit: Pick<Audit, 'id' | 'head'>
  readonly trustee: Pick<TrusteeClient, 'recordHead'>
  readonly log?: Pick<Log, 'warn'>
}

/** Tells the head when something was written since the last time; a failure is logged once and tried again. */
export class HeadTelling {
  readonly #o: HeadTellingOptions
  #told = 0
  #failed = false

  constructor(o: HeadTellingOptions) {
    this.#o = o
  }

  async run(): Promise<void> {
    const { audit, trustee, log } = this.#o
    const { sequence, hash } = audit.head()
    if (sequence === this.#told) return
    try {
      await trustee.recordHead({ log: audit.id, sequence, hash }, AbortSignal.timeout(deadlineMs))
      this.#told = sequence
      this.#failed = false
    } catch (thrown) {
      const words = 'the Trustee Server does not record the head of the audit'
      if (!this.#failed) log?.warn({ error: toDomainError(thrown) }, words)
      this.#failed = true
    }
  }
}
