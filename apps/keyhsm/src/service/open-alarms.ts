/** What is done about an alarm: a line in the log, one in the audit, a number for monitors. */
import { newUuid, toDomainError } from '@keyhsm/core'
import type { Audit, Log, Meters } from '@keyhsm/service'
import type { hsmMeters } from '../monitoring/hsm-meters.js'
import type { OpenAlarm, OpenAlarmEvent } from '../operations/open-alarm.js'

export interface AlarmBells {
  readonly audit: Pick<Audit, 'append'>
  readonly meters: Pick<Meters<typeof hsmMeters>, 'openAlarms'>
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
}

const lookEveryMs = 5000

/** Never throws: the open that raised an alarm goes on as it would without. */
export function ringBells({ audit, meters, log }: AlarmBells, alarm: OpenAlarmEvent): void {
  const { realm, event, why, refused } = alarm
  const subject = { realm, alarm: event, why, refused }
  if (event === 'raised') {
    meters.openAlarms.add({ realm, why })
    log.warn(subject, 'a realm opens unusually many deposits')
  } else log.info(subject, 'a realm opens as many deposits as usual again')
  const actor = 'service'
  audit
    .append({ event: 'note', operation: 'open-alarm', requestId: newUuid(), actor, subject })
    .catch((error: unknown) => {
      log.error({ error: toDomainError(error) }, 'an alarm is not in the audit')
    })
}

/** Ends alarms when their time is over. @returns stops looking */
export function watchAlarm(alarm: Pick<OpenAlarm, 'look'>): () => void {
  const timer = setInterval(() => alarm.look(), lookEveryMs)
  timer.unref()
  return () => clearInterval(timer)
}
