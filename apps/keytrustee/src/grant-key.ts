import { DomainError, SecretBytes } from '@keyhsm/core'
import { type Grants, grantKeyBytes, openGrants } from './grants.js'

/** {@link openGrants} from the text of `grant.key`. @throws ERR_SETTINGS */
export function parseGrantKey(text: string): Grants {
  const digits = text.trim()
  if (!/^[0-9a-f]+$/.test(digits) || digits.length !== 2 * grantKeyBytes)
    throw new DomainError('ERR_SETTINGS', `grant.key must hold ${2 * grantKeyBytes} hex digits`)
  return openGrants(SecretBytes.own(Buffer.from(digits, 'hex')))
}
