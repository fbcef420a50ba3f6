/** Who is calling: clients, by their certificate and rows. */
import { DomainError, type Uuid } from '@keyhsm/core'
import type { Identity, Peer } from '@keyhsm/service'
import type { ClientAuthority } from '../clients/client-authority.js'
import { identifyClient } from '../clients/identify-client.js'
import type { Caller, Trustee } from '../trustee.js'

export interface ClientIdentity extends Identity {
  readonly kind: 'client'
  readonly caller: Caller
  readonly certificateExpiresAt: Date
}

export async function identifyPeer(
  trustee: Trustee,
  authority: ClientAuthority,
  { certificate }: Peer,
): Promise<ClientIdentity | undefined> {
  const caller = await identifyClient(trustee, authority, certificate)
  if (!caller || !certificate) return undefined
  return {
    kind: 'client',
    name: caller.client.uuid,
    fingerprint: caller.client.keyFingerprint,
    caller,
    certificateExpiresAt: new Date(certificate.validTo),
  }
}

/** @throws ERR_NOT_AUTHENTICATED when the identity is no client's: a route served on the wrong port. */
export function clientOf(identity: Identity | undefined): ClientIdentity {
  if (identity?.kind === 'client') return identity as ClientIdentity
  throw new DomainError('ERR_NOT_AUTHENTICATED', 'the caller is not known')
}

/** The administrator's name. @throws ERR_NOT_AUTHENTICATED */
export function administratorOf(identity: Identity | undefined): string {
  if (identity?.kind === 'administrator') return identity.name
  throw new DomainError('ERR_NOT_AUTHENTICATED', 'the caller is not known')
}

/** What an administrator's request carries into every order. */
export function orderOf(by: {
  readonly requestId: Uuid
  readonly identity: Identity | undefined
}): { readonly requestId: Uuid; readonly actor: string } {
  return { requestId: by.requestId, actor: administratorOf(by.identity) }
}
