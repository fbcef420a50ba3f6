import type { Clock, Realm } from '@keyhsm/core'
import type { OpenAlarm } from '../operations/open-alarm.js'
import { RealmRate } from '../operations/realm-rate.js'
import type { LiveState } from './live-state.js'

/** The ceilings of a realm. Reseals raise the alarm only where they are refused: a migration has many to ask for. */
export function makeRates(
  { openRate, resealRate }: LiveState['settings'],
  { clock, alarm }: { readonly clock: Clock; readonly alarm: OpenAlarm },
): { readonly openRate: RealmRate; readonly resealRate: RealmRate } {
  const refusals = { noteRefusal: (realm: Realm) => alarm.noteRefusal(realm) }
  return {
    openRate: new RealmRate(openRate, { clock, alarm }),
    resealRate: new RealmRate(resealRate, { clock, verb: 'reseals', alarm: refusals }),
  }
}
