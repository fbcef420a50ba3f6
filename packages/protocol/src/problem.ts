/** The one table of error code ↔ HTTP status, and the document that carries an error over the wire. Both sides import it. */
import { DomainError, type ErrorCode, type FieldFault, errorTraits } from '@keyhsm/core'

export const statusOf: Readonly<Record<ErrorCode, number>> = {
  ERR_INVALID_INPUT: 400,
  ERR_NOT_AUTHENTICATED: 401,
  ERR_NOT_ALLOWED: 403,
  ERR_APPROVAL_NEEDED: 403,
  ERR_NOT_FOUND: 404,
  ERR_NOT_JOINED: 405,
  ERR_ALREADY_EXISTS: 409,
  ERR_DISABLED: 409,
  ERR_IRRETRIEVABLE: 410,
  ERR_CONFLICT: 412,
  ERR_TOO_LARGE: 413,
  ERR_INTEGRITY: 422,
  ERR_QUOTA: 429,
  ERR_BUSY: 503,
  ERR_HSM_REFUSED: 502,
  ERR_HSM_UNAVAILABLE: 503,
  ERR_WRONG_PARTITION: 503,
  ERR_HSM_LOGIN: 503,
  ERR_HSM_FULL: 507,
  ERR_HSM_NOT_SUPPORTED: 501,
  ERR_STORE_UNAVAILABLE: 503,
  ERR_AUDIT_UNAVAILABLE: 503,
  ERR_UNAVAILABLE: 503,
  ERR_SETTINGS: 500,
  ERR_INTERNAL: 500,
}

/** Body of every error reply, `application/problem+json` (RFC 9457 members `title`, `status`, `detail`). */
export interface Problem {
  readonly status: number
  readonly code: ErrorCode
  readonly detail: string
  readonly faults?: readonly FieldFault[]
  readonly retryAfterMs?: number
  /** URLs of servers that can do it now, where this one cannot. */
  readonly elsewhere?: readonly string[]
  /** The request's id: the operator finds the reason under it in the audit. */
  readonly requestId?: string
}

export const problemMediaType = 'application/problem+json'

/** The document for an error; its cause stays behind. */
export function toProblem(error: DomainError, requestId?: string): Problem {
  return {
    status: statusOf[error.code],
    code: error.code,
    detail: error.message,
    ...(error.faults.length > 0 ? { faults: error.faults } : {}),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.elsewhere.length > 0 ? { elsewhere: error.elsewhere } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** The reverse, for clients: an answer's body as the error that was thrown; anything unreadable is ERR_UNAVAILABLE. */
export function fromProblem(status: number, body: unknown): DomainError {
  const problem = body as Partial<Problem> | null
  if (
    problem &&
    typeof problem === 'object' &&
    typeof problem.code === 'string' &&
    Object.hasOwn(errorTraits, problem.code)
  ) {
    return new DomainError(problem.code, String(problem.detail ?? 'no detail'), {
      ...(Array.isArray(problem.faults) ? { faults: problem.faults } : {}),
      ...(typeof problem.retryAfterMs === 'number' ? { retryAfterMs: problem.retryAfterMs } : {}),
      ...(Array.isArray(problem.elsewhere) ? { elsewhere: problem.elsewhere.map(String) } : {}),
    })
  }
  return new DomainError(
    'ERR_UNAVAILABLE',
    `the server answered status ${status} without a problem document`,
  )
}
