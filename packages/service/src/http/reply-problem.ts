/** The one place where an error becomes an HTTP reply: translates what the framework throws, hides what a caller must not see. */
import { DomainError, type ErrorCode, errorTraits, invalidInput, toDomainError } from '@keyhsm/core'
import { type Problem, statusOf, toProblem } from '@keyhsm/protocol'

/** An error and the status it is answered with, where HTTP has a finer one than the table of codes. */
export interface Refusal {
  readonly error: DomainError
  readonly status: number
}

/** A refusal of HTTP itself that is not one of the table: 405, 408, 415, 431. */
export class HttpRefusal extends Error {
  readonly refusal: Refusal
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, error: DomainError, headers: Record<string, string> = {}) {
    super(error.message)
    this.refusal = { status, error }
    this.headers = headers
  }
}

/** What the framework (fastify 5) and node:http throw, by code. */
const foreign: Readonly<Record<string, () => Refusal>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => plain(tooLarge()),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => ({
    error: invalidInput('content-type', 'must be application/json'),
    status: 415,
  }),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    plain(invalidInput('body', 'must be as long as content-length says')),
  FST_ERR_BAD_URL: () => plain(invalidInput('path', 'must be percent-encoded UTF-8')),
  FST_ERR_INVALID_URL: () => plain(invalidInput('path', 'must be percent-encoded UTF-8')),
  FST_ERR_MAX_PARAM_LENGTH: () => plain(invalidInput('path', 'has a part that is too long')),
  ECONNRESET: () => plain(invalidInput('body', 'was cut off')),
}

/** Any thrown value as what to answer. */
export function toRefusal(thrown: unknown): Refusal {
  if (thrown instanceof HttpRefusal) return thrown.refusal
  if (thrown instanceof DomainError) return plain(thrown)
  const code = (thrown as { code?: unknown } | null | undefined)?.code
  const translate = typeof code === 'string' ? foreign[code] : undefined
  return translate?.() ?? plain(toDomainError(thrown))
}

/** The body is longer than the route allows. */
export function tooLarge(): DomainError {
  return new DomainError('ERR_TOO_LARGE', 'the body is longer than this request allows')
}

/** Errors whose own text is for the operator of this process, never for a caller. */
const hidden: ReadonlySet<ErrorCode> = new Set(['ERR_INTERNAL', 'ERR_SETTINGS'])

/** The document a caller gets. */
export function problemOf({ error, status }: Refusal, requestId: string): Problem {
  if (hidden.has(error.code)) {
    return toProblem(new DomainError('ERR_INTERNAL', 'internal error'), requestId)
  }
  return { ...toProblem(error, requestId), status }
}

/** Seconds for the `Retry-After` header: rounded up; 1 where the error can be retried but says no time. */
export function retryAfterSeconds(error: DomainError): number | undefined {
  if (error.retryAfterMs !== undefined) return Math.max(1, Math.ceil(error.retryAfterMs / 1000))
  return errorTraits[error.code].retry ? 1 : undefined
}

function plain(error: DomainError): Refusal {
  return { error, status: statusOf[error.code] }
}
