/** Rules that every way of wrapping shares: what may be wrapped, and the one answer when unwrapping fails. */
import { DomainError, invalidInput, type SecretBytes } from '@keyhsm/core'

/** AES-256: nothing else is ever wrapped. */
export const contentKeyBytes = 32

/** @throws ERR_INVALID_INPUT when `contentKey` does not have 32 bytes. */
export function checkContentKey(contentKey: SecretBytes): void {
  if (contentKey.length !== contentKeyBytes) {
    throw invalidInput('contentKey', `must have ${contentKeyBytes} bytes`)
  }
}

/**
 * The one error of every failed unwrap. Its text does not depend on what was wrong: a caller that could tell bad
 * padding from a bad tag or a bad point would be an oracle (Manger's attack on OAEP, invalid curve points).
 */
export function wrappedKeyRefused(cause?: unknown): DomainError {
  return new DomainError('ERR_INTEGRITY', 'the wrapped key does not belong to this HSM key', {
    cause,
  })
}
