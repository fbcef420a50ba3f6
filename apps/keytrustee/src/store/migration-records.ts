/** Rows about moving deposits from one way of being kept to another. */
import type { Fingerprint, Handle, Uuid } from '@keyhsm/core'
import type { Deposit, Revision } from './records.js'

/** Which forms are meant; what is absent may be anything. */
export interface FormPattern {
  readonly sealing: 'hsm' | 'pass-through'
  readonly canary?: Fingerprint
  readonly scope?: 'deposit' | 'organisation' | 'service'
  readonly kind?: string
}

/** Revisions of deposits that are neither purged nor being purged: those in `from` and not in `to`. */
export interface Selection {
  readonly from: FormPattern
  readonly to: FormPattern
  /** Instead of "not in `to`": those whose present form was made earlier. */
  readonly sealedBefore?: Date
  /** Besides: only those whose present form was made since. */
  readonly sealedSince?: Date
  /** Leaves out what this migration could not move. */
  readonly unfailedIn?: Uuid
}

/** Place in the order of deposits' uuids and their revisions. */
export interface Cursor {
  readonly deposit: Uuid
  readonly revision: number
}

export interface ToMove {
  readonly deposit: Deposit
  readonly revision: Revision
}

export interface MoveCounts {
  readonly organisations: number
  readonly deposits: number
  readonly revisions: number
  readonly contentBytes: number
}

/** How far a migration is. What was ordered stands in a file outside the database; this row is its progress and its history. */
export interface MigrationProgress {
  readonly uuid: Uuid
  readonly state: MigrationState
  /** In words, for people. */
  readonly source: string
  readonly target: string
  readonly startedBy: string
  readonly startedAt: Date
  readonly updatedAt: Date
  readonly endedAt: Date | undefined
  /** Revisions to move when it began. */
  readonly total: number
  readonly moved: number
  /** Moves that a purge or another change came before. */
  readonly overtaken: number
  readonly cursor: Cursor | undefined
  /** Why it waits or stands still. */
  readonly note: string | undefined
}

/** A migration that begins only where no other is open: one whose row was written later than this. */
export interface MigrationBegins {
  readonly aliveSince: Date
}

/**
 * `moved`: everything is, old forms are kept until `finishing` or `rolling-back` has ended. The last two are for ever.
 */
export type MigrationState =
  | 'running'
  | 'paused'
  | 'moved'
  | 'finishing'
  | 'rolling-back'
  | 'finished'
  | 'rolled-back'

/** A revision that could not be moved; it stays as it was. */
export interface MigrationFault {
  readonly migration: Uuid
  readonly revisionUuid: Uuid
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
  /** An error code. */
  readonly code: string
}
