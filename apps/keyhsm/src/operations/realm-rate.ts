/** How fast one realm may open deposits: a stolen Trustee Server cannot empty its database faster than is written here. */
import { type Clock, DomainError, type Realm } from '@keyhsm/core'
import type { OpenAlarm } from './open-alarm.js'

interface Bucket {
  tokens: number
  filledAt: number
}

const retryAfterMs = 1000

export class OpenRate {
  readonly perSecond: number
  readonly #clock: Clock
  readonly #alarm: Pick<OpenAlarm, 'noteOpen' | 'noteRefusal'> | undefined
  readonly #buckets = new Map<Realm, Bucket>()

  /** `perSecond` is `keyhsm.open.rate`, also the burst; 0 sets no limit. */
  constructor(
    perSecond: number,
    clock: Clock,
    alarm?: Pick<OpenAlarm, 'noteOpen' | 'noteRefusal'>,
  ) {
    this.perSecond = perSecond
    this.#clock = clock
    this.#alarm = alarm
  }

  /** Counts one open of `realm`. @throws ERR_BUSY above the rate, before anything else is done. */
  admit(realm: Realm): void {
    this.#alarm?.noteOpen(realm)
    if (this.perSecond === 0) return
    const now = this.#clock.now().getTime()
    const bucket = this.#buckets.get(realm) ?? { tokens: this.perSecond, filledAt: now }
    this.#buckets.set(realm, bucket)
    const earned = Math.max(0, now - bucket.filledAt) * (this.perSecond / 1000)
    bucket.tokens = Math.min(this.perSecond, bucket.tokens + earned)
    bucket.filledAt = now
    if (bucket.tokens < 1) {
      this.#alarm?.noteRefusal(realm)
      const detail = `realm ${realm} opens more than ${this.perSecond} deposits a second`
      throw new DomainError('ERR_BUSY', detail, { retryAfterMs })
    }
    bucket.tokens -= 1
  }
}
