/**
 * The server's own authority for client certificates: it signs nothing else, and what it signs is named, limited and
 * timed here. A certificate alone opens nothing: the row behind it decides, at every request.
 */
import { X509Certificate } from 'node:crypto'
import { type Fingerprint, parseUuid, type Uuid } from '@keyhsm/core'
import {
  issueClientCertificate,
  type KeyedCertificate,
  publicKeyFingerprint,
} from '@keyhsm/service'
import type { Client } from '../store/store.js'

/** Lifetime of a client's certificate; enrolling again with the same key renews it. */
const clientCertificateDays = 365
const uriPrefix = 'urn:keytrustee:client:'
/** id-kp-clientAuth. @see RFC 5280 §4.2.1.12 */
const clientAuth = '1.3.6.1.5.5.7.3.2'
/** Certificates whose signature was verified before; the verdict depends on nothing but their bytes. */
const maxRemembered = 4096

/** What a certificate says of its holder, before any row is believed. */
export interface ClaimedClient {
  readonly uuid: Uuid
  readonly keyFingerprint: Fingerprint
}

export interface ClientAuthority {
  /** PEM of the authority's certificate. */
  readonly certificate: string
  issue(client: Client, publicKeyDer: Buffer, now: Date): Promise<string>
  /** The client a certificate names; undefined unless this authority, or one before it, issued it for that and its time is now. */
  readClaim(certificate: X509Certificate, now: Date): ClaimedClient | undefined
}

/** `previous` are PEM texts of authorities that sign no more, but whose certificates are still admitted. */
export function openClientAuthority(
  authority: KeyedCertificate,
  previous: readonly string[] = [],
): ClientAuthority {
  const issuers = [authority.certificate, ...previous].map((pem) => new X509Certificate(pem))
  const remembered = new Map<string, ClaimedClient | undefined>()
  return {
    certificate: authority.certificate,
    issue: (client, publicKeyDer, now) =>
      issueClientCertificate({
        authority,
        publicKeyDer,
        commonName: client.name,
        uri: `${uriPrefix}${client.uuid}`,
        days: clientCertificateDays,
        now,
      }),
    readClaim(certificate, now) {
      if (!inItsTime(certificate, now)) return undefined
      const key = certificate.fingerprint256
      if (!remembered.has(key)) {
        if (remembered.size >= maxRemembered) remembered.clear()
        remembered.set(key, verifyClaim(certificate, issuers))
      }
      return remembered.get(key)
    },
  }
}

function verifyClaim(
  certificate: X509Certificate,
  issuers: readonly X509Certificate[],
): ClaimedClient | undefined {
  const issued = issuers.some(
    (issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey),
  )
  if (!issued || certificate.ca || !certificate.keyUsage?.includes(clientAuth)) return undefined
  const name = certificate.subjectAltName ?? ''
  if (!name.startsWith(`URI:${uriPrefix}`)) return undefined
  try {
    const uuid = parseUuid(name.slice(`URI:${uriPrefix}`.length))
    return { uuid, keyFingerprint: publicKeyFingerprint(certificate) }
  } catch {
    return undefined
  }
}

function inItsTime(certificate: X509Certificate, now: Date): boolean {
  return new Date(certificate.validFrom) <= now && now <= new Date(certificate.validTo)
}
