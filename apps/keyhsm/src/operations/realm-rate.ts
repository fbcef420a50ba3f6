/**
 * How fast one realm may open deposits, or have them resealed: a stolen Trustee Server cannot empty its database, nor have
 * copies made of it, faster than is written here.
 */
import { type Clock, DomainError, type Realm } from '@keyhsm/core'
import type { OpenAlarm } from './open-alarm.js'

interface Bucket {
  tokens: number
  filledAt: number
}

export interface RealmRateOptions {
  readonly clock: Clock
  /** What is counted, as refusals name it. */
  readonly verb?: 'opens' | 'reseals'
  readonly alarm?: Partial<Pick<OpenAlarm, 'noteOpen' | 'noteRefusal'>>
}

const retryAfterMs = 1000

export class RealmRate {
  readonly perSecond: number | 'off'
  readonly #o: RealmRateOptions
  readonly #buckets = new Map<Realm, Bucket>()

  /** `perSecond` is the setting, also the burst; 0 sets no limit, `off` lets nothing through. */
  constructor(perSecond: number | 'off', o: RealmRateOptions) {
    this.perSecond = perSecond
    this.#o = o
  }

  /** Counts one for `realm`. @throws ERR_BUSY above the rate, before anything else is done. */
  admit(realm: Realm): void {
    const { clock, alarm, verb = 'opens' } = this.#o
    alarm?.noteOpen?.(realm)
    if (this.perSecond === 'off')
      throw this.#refusal(realm, `${verb} nothing while that is switched off here`)
    if (this.perSecond === 0) return
    const now = clock.now().getTime()
    const bucket = this.#buckets.get(realm) ?? { tokens: this.perSecond, filledAt: now }
    this.#buckets.set(realm, bucket)
    const earned = Math.max(0, now - bucket.filledAt) * (this.perSecond / 1000)
    bucket.tokens = Math.min(this.perSecond, bucket.tokens + earned)
    bucket.filledAt = now
    if (bucket.tokens < 1)
      throw this.#refusal(realm, `${verb} more than ${this.perSecond} deposits a second`)
    bucket.tokens -= 1
  }

  #refusal(realm: Realm, what: string): DomainError {
    this.#o.alarm?.noteRefusal?.(realm)
    return new DomainError('ERR_BUSY', `realm ${realm} ${what}`, { retryAfterMs })
  }
}
