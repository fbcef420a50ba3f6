/** PostgreSQL's answers in this product's words, by SQLSTATE. @see PostgreSQL 15 manual, Appendix A */
import { DomainError, type ErrorCode } from '@keyhsm/core'
import pg from 'pg'

interface Meaning {
  readonly code: ErrorCode
  readonly detail: string
}

const unavailable: Meaning = {
  code: 'ERR_STORE_UNAVAILABLE',
  detail: 'the database is not available',
}
const busy: Meaning = { code: 'ERR_BUSY', detail: 'the database is busy with the same rows' }
const internal: Meaning = { code: 'ERR_INTERNAL', detail: 'internal error' }

/** Whole states first, then classes (their first two characters). */
const meanings: Readonly<Record<string, Meaning>> = {
  '23505': { code: 'ERR_ALREADY_EXISTS', detail: 'it exists already' },
  '23503': { code: 'ERR_NOT_FOUND', detail: 'it, or what it belongs to, is not there' },
  '25006': {
    code: 'ERR_STORE_UNAVAILABLE',
    detail: 'the database is read-only here: writes go to the primary server',
  },
  '25P03': unavailable, // idle_in_transaction_session_timeout
  '40001': busy,
  '40P01': busy,
  // undefined_column: a release runs on the schema of the release before, but cannot do there what is new in it.
  '42703': {
    code: 'ERR_CONFLICT',
    detail: 'the schema of the database is not up to date: ktadmin db migrate',
  },
  '53100': { code: 'ERR_STORE_UNAVAILABLE', detail: 'the disk of the database is full' },
  '55P03': busy, // lock_timeout
  '57014': { code: 'ERR_STORE_UNAVAILABLE', detail: 'the database took too long' },
  '08': unavailable, // connection exception
  '28': unavailable, // the role is not let in (any more)
  '3D': unavailable, // no such database
  '42': internal,
  '53': unavailable, // insufficient resources
  '57': unavailable, // operator intervention: 57P01 shutdown, 57P03 cannot connect now
  '58': unavailable, // system error, external to PostgreSQL
  XX: unavailable, // internal error, data corrupted
}

/** SQLSTATE of an error that PostgreSQL itself sent. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/** Translates whatever the driver threw; what PostgreSQL said becomes the cause, for the log only. */
export function translate(error: unknown): DomainError {
  if (error instanceof DomainError) return error
  const { code, detail } = meaningOf(error)
  return new DomainError(code, detail, { cause: error })
}

function meaningOf(error: unknown): Meaning {
  const state = sqlState(error)
  if (state !== undefined) return meanings[state] ?? meanings[state.slice(0, 2)] ?? internal
  // Not from PostgreSQL: ECONNREFUSED and its like, or the driver's own plain errors for lost connections and timeouts.
  const programming = error instanceof TypeError || error instanceof RangeError
  return programming ? internal : unavailable
}

/** in_failed_sql_transaction: an earlier statement of the transaction is to blame. */
export function refusedForEarlierFailure(error: unknown): boolean {
  return error instanceof DomainError && sqlState(error.cause) === '25P02'
}

/** A transaction that met this may be run again from its start. */
export function worthRepeating(error: unknown): boolean {
  const state = error instanceof DomainError ? sqlState(error.cause) : undefined
  return state === '40001' || state === '40P01'
}

/**
 * True when an error answered COMMIT and says for certain that nothing was committed: the transaction was refused by a
 * check, a conflict or a cancellation. Anything else (shutdown, lost connection) may come after the commit record.
 */
export function refusesCommit(error: unknown): boolean {
  const state = sqlState(error)
  return state !== undefined && (/^(23|25|40)/.test(state) || state === '57014')
}

/**
 * True for a warning that came with a commit: it is on the primary's disk, and perhaps on no standby's. Warnings of
 * the synchronous wait have 01000, or 57P01 when the server stops. @see PostgreSQL 15 source, syncrep.c
 * SyncRepWaitForLSN
 */
export function warnsOfCommit({ code = '' }: { readonly code?: string | undefined }): boolean {
  return code.startsWith('01') || code === '57P01'
}
