/** Errors of the device that would mean something else to a Trustee Server than they do here. */
import { DomainError, type ErrorCode, hasCode, toDomainError } from '@keyhsm/core'

/**
 * Codes that only the caller's own input may cause. From the device they are faults of it: a new key that vanished or
 * does not give back what it wrapped, an id that two keys have.
 */
const callersOwn: readonly ErrorCode[] = [
  'ERR_NOT_FOUND',
  'ERR_ALREADY_EXISTS',
  'ERR_CONFLICT',
  'ERR_INTEGRITY',
  'ERR_INVALID_INPUT',
]

/** The error of a seal: what the device did wrong is ERR_HSM_REFUSED, with the original as the cause. */
export function toSealFault(error: unknown): DomainError {
  const known = toDomainError(error)
  return callersOwn.includes(known.code) ? toHsmFault(known) : known
}

/** The error of an unwrap: two keys with one id are the device's fault, never a reason to call a deposit lost. */
export function toUnwrapFault(error: unknown): unknown {
  return hasCode(error, 'ERR_CONFLICT') ? toHsmFault(error) : error
}

function toHsmFault(cause: DomainError): DomainError {
  return new DomainError('ERR_HSM_REFUSED', `the HSM failed: ${cause.message}`, { cause })
}
