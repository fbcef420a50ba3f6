/** Counts and times operations where every one of them passes twice: at the audit. */
import type { Audit, AuditEntry } from './audit/audit.js'
import type { Metrics } from './meters.js'
import { auditMeters } from './metrics-table.js'

/** Operations that began and have not ended; a crash of the caller must not let them pile up. */
const maxOpen = 10_000

/** The same audit, measured; registers the rows of {@link auditMeters}. */
export function meterAudit(audit: Audit, metrics: Metrics): Audit {
  const meters = metrics.meters(auditMeters)
  const begun = new Map<string, number>()
  let waiting = 0
  meters.auditWaiting.from(() => waiting)
  meters.auditSequence.from(() => audit.head().sequence)
  meters.auditUnsigned.from(() => audit.state().unsigned)
  meters.auditCheckpointFailed.from(() => {
    const { checkpointFailed } = audit.state()
    return checkpointFailed === undefined ? undefined : Number(checkpointFailed)
  })
  meters.auditHealthy.from(() => (audit.state().healthy ? 1 : 0))
  const measure = ({ event, operation, requestId, outcome }: AuditEntry): void => {
    const now = performance.now()
    if (event === 'intent' && begun.size < maxOpen) begun.set(idOf(operation, requestId), now)
    if (event !== 'outcome') return
    meters.operations.add({ operation, outcome: outcome ?? 'unknown' })
    // Many an outcome has no intent.
    if (begun.size === 0) return
    const id = idOf(operation, requestId)
    const from = begun.get(id)
    begun.delete(id)
    if (from !== undefined) meters.operationSeconds.observe({ operation }, (now - from) / 1000)
  }
  return {
    id: audit.id,
    async append(entry) {
      const from = performance.now()
      if (entry.event === 'intent') measure(entry)
      waiting += 1
      try {
        return await audit.append(entry)
      } finally {
        waiting -= 1
        meters.auditSeconds.observe({}, (performance.now() - from) / 1000)
        if (entry.event === 'outcome') measure(entry)
      }
    },
    head: () => audit.head(),
    anchor: (peerService, sequence, hash) => audit.anchor(peerService, sequence, hash),
    checkpoint: () => audit.checkpoint(),
    state: () => audit.state(),
    close: () => audit.close(),
  }
}

function idOf(operation: string, requestId: string): string {
  return `${operation} ${requestId}`
}
