/**
 * How fast one realm may open deposits, have them resealed or have HSM keys revoked: a stolen Trustee Server cannot empty its
 * database, nor have copies made of it, nor destroy it faster than is written here.
 */
import { type Clock, DomainError, type Realm } from '@keyhsm/core'
import type { OpenAlarm } from './open-alarm.js'

interface Bucket {
  tokens: number
  filledAt: number
}

/** What is counted by each verb. */
const nouns = { opens: 'deposits', reseals: 'deposits', revokes: 'HSM keys' } as const

export interface RealmRateOptions {
  readonly clock: Clock
  /** What is counted, as refusals name it. */
  readonly verb?: keyof typeof nouns
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
      throw this.#refusal(realm, `${verb} more than ${this.perSecond} ${nouns[verb]} a second`)
    bucket.tokens -= 1
  }

  /** One that was counted and had no effect. */
  giveBack(realm: Realm): void {
    const bucket = this.#buckets.get(realm)
    if (bucket) bucket.tokens += 1
  }

  #refusal(realm: Realm, what: string): DomainError {
    this.#o.alarm?.noteRefusal?.(realm)
    return new DomainError('ERR_BUSY', `realm ${realm} ${what}`, { retryAfterMs })
  }
}
