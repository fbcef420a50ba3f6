/**
 * The frame of every operation that asks the HSM: an intent that is durable before the HSM is asked, an outcome after.
 * An outcome that is missing after a crash reads `unknown`.
 */
import { type DomainError, type ErrorCode, toDomainError, type Uuid } from '@keyhsm/core'
import type { Audit, AuditEntry } from '@keyhsm/service'

type Outcome = NonNullable<AuditEntry['outcome']>
type Subject = NonNullable<AuditEntry['subject']>

export interface AuditedOperation {
  readonly operation: string
  readonly requestId: Uuid
  readonly actor: string
  readonly subject: Subject
}

/** What the work found out that the outcome shall show, besides success or failure. */
export interface Findings {
  subject?: Subject
  /** Why, in words for the operator; stands in the audit only. */
  reason?: string
  /** Wins over what the error's code says. */
  outcome?: Outcome
  /** Runs when the work was done and its result is not given out after all, since its outcome could not be written. */
  withhold?: () => void
}

const outcomeOf: Readonly<Partial<Record<ErrorCode, Outcome>>> = {
  ERR_INTEGRITY: 'integrity',
  ERR_IRRETRIEVABLE: 'irretrievable',
  ERR_HSM_UNAVAILABLE: 'unavailable',
  ERR_WRONG_PARTITION: 'unavailable',
  ERR_HSM_LOGIN: 'unavailable',
  ERR_HSM_FULL: 'unavailable',
  ERR_BUSY: 'unavailable',
  ERR_UNAVAILABLE: 'unavailable',
  ERR_AUDIT_UNAVAILABLE: 'unavailable',
  ERR_INTERNAL: 'unknown',
}

/**
 * Writes the intent, runs `work` and writes its outcome: `success`, or what its error means.
 * @throws ERR_AUDIT_UNAVAILABLE when the intent, or the outcome of a success, cannot be written; else what `work` throws.
 */
export async function audited<Result>(
  audit: Pick<Audit, 'append'>,
  operation: AuditedOperation,
  success: Outcome,
  work: (findings: Findings) => Promise<Result>,
): Promise<Result> {
  await audit.append({ ...operation, event: 'intent' })
  const findings: Findings = {}
  const result = await work(findings).catch(async (error: unknown) => {
    const known = toDomainError(error)
    findings.reason ??= `${known.code}: ${known.message}`
    await appendFailure(audit, toOutcome(operation, outcomeFor(known), findings))
    throw known
  })
  try {
    await audit.append(toOutcome(operation, success, findings))
  } catch (error) {
    findings.withhold?.()
    throw error
  }
  return result
}

function outcomeFor(error: DomainError): Outcome {
  return outcomeOf[error.code] ?? 'refused'
}

function toOutcome(
  { operation, requestId, actor, subject }: AuditedOperation,
  outcome: Outcome,
  findings: Findings,
): AuditEntry {
  return {
    event: 'outcome',
    operation,
    requestId,
    actor,
    subject: { ...subject, ...findings.subject },
    outcome: findings.outcome ?? outcome,
    ...(findings.reason === undefined ? {} : { reason: findings.reason }),
  }
}

/** The operation has failed already and grants nothing; that its outcome cannot be written shows in the audit's health. */
async function appendFailure(audit: Pick<Audit, 'append'>, entry: AuditEntry): Promise<void> {
  try {
    await audit.append(entry)
  } catch {
    return
  }
}
