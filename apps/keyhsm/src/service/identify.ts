/** Who is calling: Trustee Servers by the public key of their certificate, administrators by their signature. */
import type { KeyObject, X509Certificate } from 'node:crypto'
import { createHash } from 'node:crypto'
import { type Clock, DomainError, type Fingerprint, type Realm } from '@keyhsm/core'
import { signatureHeader } from '@keyhsm/protocol'
import {
  type Identity,
  type Peer,
  publicKeyFingerprint,
  ReplayWindow,
  verifySignedRequest,
} from '@keyhsm/service'
import type { Caller } from '../operations/caller.js'
import type { TrustList } from '../trust/trust-list.js'

/** A Trustee Server, with the realm its certificate was trusted for. */
export interface ServiceIdentity extends Identity {
  readonly kind: 'service'
  readonly realm: Realm
}

const fingerprints = new WeakMap<X509Certificate, Fingerprint>()

/** The Trustee Server behind a connection; undefined when its key is not on the list. */
export function identifyService(peer: Peer, trust: TrustList): ServiceIdentity | undefined {
  if (!peer.certificate) return undefined
  const fingerprint = fingerprintOf(peer.certificate)
  const trusted = trust.find(fingerprint)
  if (!trusted) return undefined
  return { kind: 'service', name: toName(trusted.certificate), fingerprint, realm: trusted.realm }
}

/** @throws ERR_NOT_AUTHENTICATED when the identity is no Trustee Server's: a route served on the wrong port. */
export function callerOf(identity: Identity | undefined): Caller {
  if (identity?.kind !== 'service') {
    throw new DomainError('ERR_NOT_AUTHENTICATED', 'the caller is not known')
  }
  const { name, realm, fingerprint } = identity as ServiceIdentity
  return { actor: `service ${name} ${fingerprint.slice(0, 16)}`, realm }
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

function fingerprintOf(certificate: X509Certificate): Fingerprint {
  const known = fingerprints.get(certificate)
  if (known) return known
  const fingerprint = publicKeyFingerprint(certificate)
  fingerprints.set(certificate, fingerprint)
  return fingerprint
}

/** The common name, cut to what a log line bears. */
function toName(certificate: X509Certificate): string {
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? 'unnamed'
  return name.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 64)
}
