/** What a verification of an audit log found. */
import type { AuditHead } from './audit.js'

/** A place where the log is not what it must be. */
export interface AuditFault {
  /** Name of the file in the audit's directory. */
  readonly file: string
  /** Counted from 1; 0 when it is about the file as a whole. */
  readonly line: number
  readonly sequence?: number
  readonly what: string
}

/** An operation that began and of which the log does not say how it ended: what came of it is unknown. */
export interface UnknownOutcome {
  readonly file: string
  readonly line: number
  readonly sequence: number
  readonly operation: string
  readonly requestId: string
  readonly actor: string
}

export interface AuditReport {
  /** True when there is no fault. Read with `signatures` and `afterLastCheckpoint`: they say how much that means. */
  readonly ok: boolean
  readonly service: string | undefined
  readonly files: number
  readonly entries: number
  readonly checkpoints: number
  /** `verified` when a public key was given, so that checkpoints could be checked. */
  readonly signatures: 'verified' | 'not-checked'
  readonly last: AuditHead
  readonly lastCheckpoint: (AuditHead & { readonly at: string }) | undefined
  /** Entries that no checkpoint covers: whoever can write the files could have changed or cut them. */
  readonly afterLastCheckpoint: number
  /** Lines that a failed write left behind: never acknowledged, and the next file says so. */
  readonly voided: number
  /** Bytes of a last line that has no end: a service is writing it, or a crash cut it. */
  readonly unfinishedBytes: number
  /** In the order of the log; at most 1000, `faultCount` has them all. */
  readonly faults: readonly AuditFault[]
  readonly faultCount: number
  /** At most 1000, `unknownOutcomeCount` has them all. */
  readonly unknownOutcomes: readonly UnknownOutcome[]
  readonly unknownOutcomeCount: number
  /** The last head of each other service that this log records: what to expect of its log at least. */
  readonly anchors: Readonly<Record<string, AuditHead>>
}

export interface VerifyOptions {
  readonly directory: string
  /** Folder of archived files, where it is not the one that the audit notes. */
  readonly archive?: string
  /** SubjectPublicKeyInfo in PEM, given from outside the log; several blocks when the key was changed. */
  readonly publicKey?: string
  /** Refuses the log of any other service. */
  readonly service?: string
  /** Entries that others have seen (the peer's anchors, a note of the last verification): they must be there. */
  readonly expectAtLeast?: AuditHead | readonly AuditHead[]
}
