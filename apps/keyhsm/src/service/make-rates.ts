import type { Clock, Realm } from '@keyhsm/core'
import type { Workshop } from '../operations/caller.js'
import type { OpenAlarm } from '../operations/open-alarm.js'
import { RealmRate } from '../operations/realm-rate.js'
import type { LiveState } from './live-state.js'

/** The ceilings of a realm. */
export type RealmRates = Pick<Workshop, 'openRate' | 'resealRate' | 'revokeRate'>

/** Reseals and revocations raise the alarm only where they are refused: a migration has many to ask for. */
export function makeRates(
  { openRate, resealRate, revokeRate }: LiveState['settings'],
  { clock, alarm }: { readonly clock: Clock; readonly alarm: OpenAlarm },
): RealmRates {
  const refusals = { noteRefusal: (realm: Realm) => alarm.noteRefusal(realm) }
  return {
    openRate: new RealmRate(openRate, { clock, alarm }),
    resealRate: new RealmRate(resealRate, { clock, verb: 'reseals', alarm: refusals }),
    revokeRate: new RealmRate(revokeRate, { clock, verb: 'revokes', alarm: refusals }),
  }
}
