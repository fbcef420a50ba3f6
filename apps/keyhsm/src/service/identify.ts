/** Who is calling: Trustee Servers, by the public key of their certificate. */
import type { X509Certificate } from 'node:crypto'
import { DomainError, type Fingerprint, type Realm } from '@keyhsm/core'
import { type Identity, type Peer, publicKeyFingerprint } from '@keyhsm/service'
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
