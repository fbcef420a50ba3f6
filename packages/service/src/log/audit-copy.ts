/** A copy of the audit in the log, where operators of the old product look for it. The audit itself is elsewhere. */
import type { AuditOutcome, WrittenEntry } from '../audit/audit.js'
import type { OpenLog } from '../log.js'

/** What an operator should look at. */
const alarming: readonly (AuditOutcome | undefined)[] = [
  'integrity',
  'irretrievable',
  'unavailable',
  'unknown',
]

/**
 * Gives the audit's `onEntries` that writes each entry as a line of the logger `<service>.audit`, e.g.
 * `2026-11-22 07:27:18,412 INFO keyhsm.audit: seal done sequence=17 actor=… handle=backup-key`.
 */
export function copyAuditTo(
  log: Pick<OpenLog, 'named' | 'together'>,
  service: string,
): (entries: readonly WrittenEntry[]) => void {
  const copy = log.named(`${service}.audit`)
  const write = ({ entry, head: { sequence } }: WrittenEntry): void => {
    const { event, operation, outcome, subject, requestId, actor, reason } = entry
    const message = `${operation} ${outcome ?? event}`
    const fields = { sequence, requestId, actor, ...subject, reason }
    if (alarming.includes(outcome)) copy.warn(fields, message)
    else copy.info(fields, message)
  }
  return (entries) => log.together(() => entries.forEach(write))
}
