/** DomainErrors across the process border: code and text as they are, of the cause only the vendor's number. */
import { DomainError, toDomainError } from '@keyhsm/core'
import type { WireError } from './messages.js'
import { CryptokiError } from './return-codes.js'

/** Any thrown value as it travels. */
export function toWireError(thrown: unknown): WireError {
  const error = toDomainError(thrown)
  const { code, hints, faults, retryAfterMs, cause } = error
  const failure = cause instanceof CryptokiError ? cause.failure : undefined
  const trace = code === 'ERR_INTERNAL' && cause instanceof Error ? cause.stack : undefined
  return { code, detail: error.message, hints, faults, retryAfterMs, failure, trace }
}

/** The error that {@link toWireError} was given. */
export function fromWireError(wire: WireError): DomainError {
  const { code, detail, hints, faults, retryAfterMs, failure, trace } = wire
  const cause = failure ? new CryptokiError(failure) : trace && new Error(trace)
  return new DomainError(code, detail, {
    hints,
    faults,
    ...(cause ? { cause } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}
