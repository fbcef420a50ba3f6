/** Who is calling: clients by their certificate and rows, administrators by their signature. */
import { createHash, type KeyObject } from 'node:crypto'
import { type Clock, DomainError, type Fingerprint } from '@keyhsm/core'
import { signatureHeader } from '@keyhsm/protocol'
import { type Identity, type Peer, ReplayWindow, verifySignedRequest } from '@keyhsm/service'
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

/** Checks the signatures of one control socket. */
export class AdministratorCheck {
  readonly #clock: Clock
  readonly #replay: ReplayWindow

  constructor(clock: Clock) {
    this.#clock = clock
    this.#replay = new ReplayWindow(clock.now())
  }

  /** The administrator who signed this request; undefined when nobody known did. */
  identify(peer: Peer, administrators: ReadonlyMap<string, KeyObject>): Identity | undefined {
    const name = verifySignedRequest(
      peer.headers[signatureHeader],
      { method: peer.method, path: peer.path, body: peer.rawBody },
      administrators,
      this.#clock.now(),
      this.#replay,
    )
    const key = name === undefined ? undefined : administrators.get(name)
    if (name === undefined || !key) return undefined
    const spki = key.export({ type: 'spki', format: 'der' })
    const fingerprint = createHash('sha256').update(spki).digest('hex') as Fingerprint
    return { kind: 'administrator', name, fingerprint }
  }
}
