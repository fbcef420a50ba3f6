/**
 * The frame of every operation that matters: `intent` is on disk before the work begins, `outcome` before its result is
 * answered. A failed work has its outcome too; an outcome that is missing after a crash reads `unknown`.
 */
import { type DomainError, type ErrorCode, toDomainError, type Uuid } from '@keyhsm/core'
import type { Audit, AuditEntry, AuditOutcome } from '@keyhsm/service'
import { CommitUnknown } from './store/store.js'

export type Subject = Readonly<Record<string, string | number>>

export interface Operation {
  readonly operation: string
  readonly requestId: Uuid
  readonly actor: string
  /** One entry for each: a batch is audited deposit by deposit. */
  readonly subjects: readonly Subject[]
}

type Log = Pick<Audit, 'append'>

const outcomeOfCode: Partial<Record<ErrorCode, AuditOutcome>> = {
  ERR_IRRETRIEVABLE: 'irretrievable',
  ERR_INTEGRITY: 'integrity',
  ERR_HSM_UNAVAILABLE: 'unavailable',
  ERR_WRONG_PARTITION: 'unavailable',
  ERR_HSM_LOGIN: 'unavailable',
  ERR_HSM_FULL: 'unavailable',
  ERR_HSM_REFUSED: 'unavailable',
  ERR_BUSY: 'unavailable',
  ERR_STORE_UNAVAILABLE: 'unavailable',
  ERR_AUDIT_UNAVAILABLE: 'unavailable',
  ERR_UNAVAILABLE: 'unavailable',
  ERR_INTERNAL: 'unknown',
}

/**
 * Runs `work` between its two entries; `outcome` is what its success is called.
 * @throws ERR_AUDIT_UNAVAILABLE when an entry cannot be written: before the work, nothing happened; after it, the result
 * is withheld and the same request can be repeated.
 */
export async function audited<Result>(
  audit: Log,
  { subjects, ...operation }: Operation,
  outcome: AuditOutcome,
  work: () => Promise<Result>,
): Promise<Result> {
  const entries = subjects.map((subject) => ({ ...operation, subject }))
  await appendAll(
    audit,
    entries.map((entry) => ({ ...entry, event: 'intent' })),
  )
  const result = await work().catch(async (error: unknown) => {
    await appendFailure(audit, entries, toDomainError(error))
    throw error
  })
  await appendAll(
    audit,
    entries.map((entry) => ({ ...entry, event: 'outcome', outcome })),
  )
  return result
}

/** One refused request: an outcome without an intent, because nothing was going to happen. */
export async function auditRefusal(
  audit: Log,
  { subjects, ...operation }: Operation,
  outcome: 'refused' | 'integrity',
  reason: string,
): Promise<void> {
  const refusals = subjects.map(
    (subject): AuditEntry => ({ ...operation, subject, event: 'outcome', outcome, reason }),
  )
  await appendAll(audit, refusals)
}

export function outcomeOf(error: DomainError): AuditOutcome {
  if (error instanceof CommitUnknown) return 'unknown'
  return outcomeOfCode[error.code] ?? 'refused'
}

async function appendAll(audit: Log, entries: readonly AuditEntry[]): Promise<void> {
  await Promise.all(entries.map((entry) => audit.append(entry)))
}

/** The work's error is what the caller hears, also when the audit fails now: its own health line says so. */
async function appendFailure(
  audit: Log,
  entries: readonly Omit<AuditEntry, 'event'>[],
  error: DomainError,
): Promise<void> {
  const outcome = outcomeOf(error)
  const failures = entries.map(
    (entry): AuditEntry => ({ ...entry, event: 'outcome', outcome, reason: error.code }),
  )
  await appendAll(audit, failures).catch(() => undefined)
}
