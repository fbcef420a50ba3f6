/** A copy of the audit in the log, where operators of the old product look for it. The audit itself is elsewhere. */
import type { AuditEntry, AuditHead, AuditOutcome } from '../audit/audit.js'
import type { OpenLog } from '../log.js'

/** What an operator should look at. */
const alarming: readonly (AuditOutcome | undefined)[] = [
  'integrity',
  'irretrievable',
  'unavailable',
  'unknown',
]

/**
 * Gives the audit's `onEntry` that writes each entry as a line of the logger `<service>.audit`, e.g.
 * `2026-11-22 07:27:18,412 INFO keyhsm.audit: seal done sequence=17 actor=… handle=backup-key`.
 */
export function copyAuditTo(
  log: Pick<OpenLog, 'named'>,
  service: string,
): (entry: AuditEntry, head: AuditHead) => void {
  const copy = log.named(`${service}.audit`)
  return (entry, { sequence }) => {
    const { event, operation, outcome, subject, requestId, actor, reason } = entry
    const message = `${operation} ${outcome ?? event}`
    const fields = { sequence, requestId, actor, ...subject, reason }
    if (alarming.includes(outcome)) copy.warn(fields, message)
    else copy.info(fields, message)
  }
}
