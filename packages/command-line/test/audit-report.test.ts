import { expect, it } from 'vitest'
import { type PrintedAudit, printAuditReport } from '../src/audit-report.js'
import type { Io } from '../src/records.js'

const intact: PrintedAudit = {
  ok: true,
  entries: 7,
  files: 2,
  checkpoints: 1,
  signatures: 'verified',
  afterLastCheckpoint: 3,
  unknownOutcomeCount: 0,
  faultCount: 0,
  faults: [],
  unknownOutcomes: [],
}

function printed(report: PrintedAudit) {
  const out: string[] = []
  const words: string[] = []
  const io = {
    stdout: { write: (text: string) => out.push(text) },
    words: (line: string) => words.push(line),
  } as unknown as Io
  printAuditReport(report, io)
  return { out: out.join(''), words }
}

it('prints the counts of an audit that is whole, and nothing else', () => {
  const { out, words } = printed(intact)
  expect(out).toMatch(/^audit: +verified\nentries: +7\n/)
  expect(words).toEqual([])
})

it('names each fault and each unknown outcome, and what a missing key means', () => {
  const { out, words } = printed({
    ...intact,
    ok: false,
    signatures: 'not-checked',
    faultCount: 2,
    faults: [
      { file: 'audit.log', line: 0, what: 'is missing' },
      { file: 'audit.log', line: 4, sequence: 9, what: 'was changed' },
    ],
    unknownOutcomes: [{ operation: 'put', requestId: 'r', actor: 'a', sequence: 8 }],
  })
  expect(out).toMatch(/^audit: +FAULTY/)
  expect(words).toEqual([
    'audit.log line 0: is missing',
    'audit.log line 4 (entry 9): was changed',
    'entry 8: outcome of put by a is unknown (request r)',
    'warning: without --public-key nobody knows whether the whole chain was rewritten',
  ])
})
