import { DomainError } from '@keyhsm/core'

/** A commit found more deposits than {@link Transaction.limitDeposits} allows. */
export function tooManyDeposits(): DomainError {
  const detail = 'the quota of deposits of the client or its organisation is used up'
  return new DomainError('ERR_QUOTA', detail, { retryAfterMs: 60_000 })
}
