import { describe, expect, it } from 'vitest'
import type { AuditEvent } from '../../src/audit/audit.js'
import { OpenIntents } from '../../src/audit/open-intents.js'
import type { EntryLine } from '../../src/audit/parse-line.js'

let sequence = 0
function line(event: AuditEvent, requestId: string, operation = 'put'): EntryLine {
  sequence += 1
  return {
    type: 'entry',
    head: { sequence, hash: '' },
    previous: '',
    service: 's',
    event,
    operation,
    requestId,
    actor: 'a',
    subject: undefined,
    unchanged: true,
  }
}
const place = { file: 'audit.log', line: 1 }

describe('OpenIntents', () => {
  it('pairs by request and operation, as often as each was said', () => {
    const intents = new OpenIntents(10)
    for (const one of [
      line('intent', '1'),
      line('intent', '1', 'seal'),
      line('intent', '2'),
      line('intent', '2'),
      line('note', '2'),
      line('outcome', '1'),
      line('outcome', '2'),
      line('outcome', '3'),
    ]) {
      intents.see(place, one)
    }
    const { unknownOutcomes, unknownOutcomeCount } = intents.report()
    expect(unknownOutcomeCount).toBe(2)
    expect(unknownOutcomes.map((one) => `${one.requestId} ${one.operation}`)).toEqual([
      '1 seal',
      '2 put',
    ])
  })

  it('reports a bounded number and counts the rest, also past what it can pair', () => {
    const intents = new OpenIntents(3)
    for (let n = 0; n < 100_010; n += 1) intents.see(place, line('intent', String(n)))
    const { unknownOutcomes, unknownOutcomeCount } = intents.report()
    expect([unknownOutcomes.length, unknownOutcomeCount]).toEqual([3, 100_010])
  })
})
