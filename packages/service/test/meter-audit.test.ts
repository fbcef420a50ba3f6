import { describe, expect, it, onTestFinished } from 'vitest'
import type { Audit, AuditEntry } from '../src/audit/audit.js'
import { meterAudit } from '../src/meter-audit.js'
import { createMetrics } from '../src/prometheus.js'

const head = { sequence: 7, hash: '00' }

function metered(append: (entry: AuditEntry) => Promise<typeof head>) {
  const metrics = createMetrics('m')
  onTestFinished(() => metrics.close())
  const audit: Audit = {
    id: '0123456789abcdef',
    append,
    head: () => head,
    anchor: () => Promise.resolve(head),
    checkpoint: () => Promise.resolve(),
    state: () => ({ healthy: true, detail: '', unsigned: 3, checkpointFailed: true }),
    close: () => Promise.resolve(),
  }
  return { metrics, audit: meterAudit(audit, metrics) }
}

const entry = (event: AuditEntry['event'], more: Partial<AuditEntry> = {}): AuditEntry => ({
  event,
  operation: 'seal',
  requestId: 'r1',
  actor: 'a',
  ...more,
})

describe('meterAudit', () => {
  it('counts operations by outcome and times them from intent to outcome', async () => {
    const { metrics, audit } = metered(() => Promise.resolve(head))
    await audit.append(entry('note', { operation: 'start' }))
    await audit.append(entry('intent'))
    await audit.append(entry('outcome', { outcome: 'done' }))
    await audit.append(entry('outcome', { outcome: 'refused', requestId: 'r2' }))
    const text = await metrics.text()
    expect(text).toContain('m_operations_total{operation="seal",outcome="done"} 1')
    expect(text).toContain('m_operations_total{operation="seal",outcome="refused"} 1')
    expect(text).toContain('m_operation_seconds_count{operation="seal"} 1')
    expect(text).toContain('m_audit_append_seconds_count 4')
    expect(text).toContain('m_audit_entries 7')
    expect(text).toContain('m_audit_unsigned_entries 3')
    expect(text).toContain('m_audit_checkpoint_failed 1')
  })

  it('shows what waits for the disk, and counts an outcome that could not be written', async () => {
    let fail: (error: Error) => void = () => undefined
    const stuck = new Promise<typeof head>((_, reject) => {
      fail = reject
    })
    const { metrics, audit } = metered(() => stuck)
    const waiting = [audit.append(entry('intent')), audit.append(entry('outcome'))]
    expect(await metrics.text()).toContain('m_audit_waiting_entries 2')
    fail(new Error('full'))
    await Promise.allSettled(waiting)
    const text = await metrics.text()
    expect(text).toContain('m_audit_waiting_entries 0')
    expect(text).toContain('m_operations_total{operation="seal",outcome="unknown"} 1')
  })
})
