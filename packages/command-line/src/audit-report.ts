/** What every `audit verify` prints. */
import { printFields } from './output.js'
import type { Io } from './records.js'

/** The part of a report that people read. */
export interface PrintedAudit {
  readonly ok: boolean
  readonly entries: number
  readonly files: number
  readonly checkpoints: number
  readonly signatures: 'verified' | 'not-checked'
  readonly afterLastCheckpoint: number
  readonly unknownOutcomeCount: number
  readonly faultCount: number
  readonly faults: readonly {
    readonly file: string
    readonly line: number
    readonly sequence?: number
    readonly what: string
  }[]
  readonly unknownOutcomes: readonly {
    readonly operation: string
    readonly requestId: string
    readonly actor: string
    readonly sequence: number
  }[]
}

/** Counts to standard output; each fault and each unknown outcome in words. */
export function printAuditReport(report: PrintedAudit, io: Io): void {
  printFields(
    {
      audit: report.ok ? 'verified' : 'FAULTY',
      entries: report.entries,
      files: report.files,
      checkpoints: report.checkpoints,
      signatures: report.signatures,
      'after last checkpoint': report.afterLastCheckpoint,
      'unknown outcomes': report.unknownOutcomeCount,
      faults: report.faultCount,
    },
    io,
  )
  for (const { file, line, sequence, what } of report.faults)
    io.words(`${file} line ${line}${sequence === undefined ? '' : ` (entry ${sequence})`}: ${what}`)
  for (const { operation, requestId, actor, sequence } of report.unknownOutcomes)
    io.words(
      `entry ${sequence}: outcome of ${operation} by ${actor} is unknown (request ${requestId})`,
    )
  if (report.signatures === 'not-checked')
    io.words('warning: without --public-key nobody knows whether the whole chain was rewritten')
}
