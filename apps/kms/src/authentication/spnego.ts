/** SPNEGO over the machine's Kerberos library. The only file that names the addon, which is loaded when it is needed. */
import { DomainError } from '@keyhsm/core'
import type { KmsSite } from '../configuration/kms-site.js'
import type { Negotiator } from './authenticator.js'

/** Undefined where authentication is not by Kerberos. @throws ERR_SETTINGS when it cannot be. */
export async function openNegotiator({ authentication }: KmsSite): Promise<Negotiator | undefined> {
  if (authentication.type !== 'kerberos') return undefined
  await Promise.resolve()
  throw new DomainError('ERR_SETTINGS', 'kerberos is not built in')
}
