import { DomainError } from '@keyhsm/core'

/** What every damaged keystore is: the detail says where, never what the bytes were. */
export function broken(detail: string): DomainError {
  return new DomainError('ERR_INTEGRITY', `the keystore cannot be read: ${detail}`)
}
