import { DomainError } from '@keyhsm/core'

/** One answer to everything that does not open: which part was wrong is nobody's business. */
export function notOurs(): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', 'the token was not made for a key of this keytab')
}
