/**
 * Says when a realm opens deposits faster than it should: at its ceiling, or at a threshold of its own. A stolen Trustee
 * Server that empties its database shall not go unnoticed at whatever speed the ceiling allows.
 * @see docs/decisions/0042-open-alarm.md
 */
import type { Clock, Realm } from '@keyhsm/core'

/** What is told when an alarm begins and when it ends. */
export interface OpenAlarmEvent {
  readonly realm: Realm
  readonly event: 'raised' | 'ended'
  /** Why it was raised. */
  readonly why: 'ceiling' | 'threshold'
  /** Opens that were refused since it was raised. */
  readonly refused: number
}

interface Watch {
  /** Begin of the second that is counted. */
  secondAt: number
  opens: number
  raised?: { readonly why: OpenAlarmEvent['why']; refused: number; lastAt: number }
}

/** An alarm ends when nothing has given cause for so long. */
const calmMs = 60_000

export class OpenAlarm {
  readonly #clock: Clock
  readonly #tell: (event: OpenAlarmEvent) => void
  readonly #watches = new Map<Realm, Watch>()
  #perSecond: number

  /** `perSecond` is `keyhsm.open.alarm`; 0: only the ceiling raises it. `tell` must neither throw nor wait. */
  constructor(perSecond: number, clock: Clock, tell: (event: OpenAlarmEvent) => void) {
    this.#perSecond = perSecond
    this.#clock = clock
    this.#tell = tell
  }

  /** Another threshold from now on. */
  change(perSecond: number): void {
    this.#perSecond = perSecond
  }

  /** Counts one open of `realm` that was asked for. */
  noteOpen(realm: Realm): void {
    if (this.#perSecond === 0) return
    const now = this.#clock.now().getTime()
    const watch = this.#watch(realm)
    if (Math.abs(now - watch.secondAt) >= 1000) {
      watch.secondAt = now
      watch.opens = 0
    }
    watch.opens += 1
    if (watch.opens >= this.#perSecond) this.#raise(realm, watch, 'threshold')
  }

  /** `realm` was refused at its ceiling. */
  noteRefusal(realm: Realm): void {
    const watch = this.#watch(realm)
    this.#raise(realm, watch, 'ceiling')
    if (watch.raised) watch.raised.refused += 1
  }

  /** Realms whose alarm has not ended. */
  raised(): readonly Realm[] {
    return [...this.#watches].flatMap(([realm, { raised }]) => (raised ? [realm] : []))
  }

  /** Ends alarms without cause; to be called now and then. */
  look(): void {
    const now = this.#clock.now().getTime()
    for (const [realm, watch] of this.#watches) {
      const { raised } = watch
      if (!raised || Math.abs(now - raised.lastAt) < calmMs) continue
      delete watch.raised
      this.#tell({ realm, event: 'ended', why: raised.why, refused: raised.refused })
    }
  }

  #watch(realm: Realm): Watch {
    const known = this.#watches.get(realm)
    if (known) return known
    const watch: Watch = { secondAt: 0, opens: 0 }
    this.#watches.set(realm, watch)
    return watch
  }

  #raise(realm: Realm, watch: Watch, why: OpenAlarmEvent['why']): void {
    const lastAt = this.#clock.now().getTime()
    if (watch.raised) {
      watch.raised.lastAt = lastAt
      return
    }
    watch.raised = { why, refused: 0, lastAt }
    this.#tell({ realm, event: 'raised', why, refused: 0 })
  }
}
