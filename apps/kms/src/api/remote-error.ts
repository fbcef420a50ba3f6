/** Errors as Hadoop's client reads them: it makes an exception of the class named here, and by that class it retries or not. */
import { DomainError, type ErrorCode, toDomainError } from '@keyhsm/core'
import type { ForeignReply } from '@keyhsm/service'

/** Classes that every client can load. @see docs/protocols/hadoop-kms.md#errors */
export const javaClasses = {
  io: 'java.io.IOException',
  illegalArgument: 'java.lang.IllegalArgumentException',
  invalidParameter: 'java.security.InvalidParameterException',
  unsupported: 'java.lang.UnsupportedOperationException',
  authorization: 'org.apache.hadoop.security.authorize.AuthorizationException',
  accessControl: 'org.apache.hadoop.security.AccessControlException',
  authentication: 'org.apache.hadoop.security.authentication.client.AuthenticationException',
  retriable: 'org.apache.hadoop.ipc.RetriableException',
} as const
export type JavaClass = keyof typeof javaClasses

/** An answer that is an error. The message is for the caller. */
export class RemoteError extends Error {
  readonly status: number
  readonly javaClass: JavaClass
  readonly headers: Readonly<Record<string, string>>

  constructor(
    status: number,
    javaClass: JavaClass,
    message: string,
    options: { readonly headers?: Record<string, string>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.status = status
    this.javaClass = javaClass
    this.headers = options.headers ?? {}
  }
}

export function badRequest(message: string): RemoteError {
  return new RemoteError(400, 'illegalArgument', message)
}

/** @param message as log parsers and tests know it. */
export function notAuthorized(message: string): RemoteError {
  return new RemoteError(403, 'authorization', message)
}

interface Meaning {
  readonly status: number
  readonly javaClass: JavaClass
  /** Instead of the error's own words. */
  readonly words?: string
}

const fault: Meaning = { status: 500, javaClass: 'io' }
/** Every instance may be asked again, and the same one a little later. */
const later: Meaning = { status: 503, javaClass: 'retriable' }

const meanings: Readonly<Partial<Record<ErrorCode, Meaning>>> = {
  ERR_INVALID_INPUT: { status: 400, javaClass: 'illegalArgument' },
  ERR_TOO_LARGE: { status: 413, javaClass: 'illegalArgument' },
  ERR_NOT_AUTHENTICATED: { ...later, words: 'this KMS is not accepted by its Trustee Server' },
  ERR_NOT_ALLOWED: { ...fault, words: 'this KMS may not do this on its Trustee Server' },
  ERR_BUSY: later,
  ERR_UNAVAILABLE: later,
  ERR_STORE_UNAVAILABLE: later,
  ERR_AUDIT_UNAVAILABLE: later,
  ERR_HSM_UNAVAILABLE: later,
  ERR_WRONG_PARTITION: later,
  ERR_HSM_LOGIN: later,
  ERR_INTERNAL: { ...fault, words: 'internal error' },
  ERR_SETTINGS: { ...fault, words: 'internal error' },
}

/** Any thrown value as what is answered. Exists, missing on write and faults behind us are IOExceptions, as they always were. */
export function toRemoteError(thrown: unknown): RemoteError {
  if (thrown instanceof RemoteError) return thrown
  const error = toDomainError(thrown)
  const { status, javaClass, words } = meanings[error.code] ?? fault
  return new RemoteError(status, javaClass, words ?? error.message, { cause: error })
}

/** The error as a DomainError for log and metrics. */
export function causeOf(thrown: unknown): DomainError | undefined {
  if (thrown instanceof RemoteError)
    return thrown.cause instanceof DomainError ? thrown.cause : undefined
  return toDomainError(thrown)
}

/** The body: the message is cut at the first line end, and never absent (KeyShell would die of a null). */
export function toErrorReply({ status, javaClass, message, headers }: RemoteError): ForeignReply {
  const javaClassName = javaClasses[javaClass]
  const exception = javaClassName.slice(javaClassName.lastIndexOf('.') + 1)
  const body = { message: message.split(/[\r\n]/, 1)[0] || exception, exception, javaClassName }
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ RemoteException: body }),
  }
}
