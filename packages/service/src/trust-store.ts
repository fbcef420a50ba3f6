/**
 * Our own check of a peer's certificate, made on every request besides OpenSSL's check at the handshake: so that a certificate
 * taken off the list, or one that has expired meanwhile, loses its connections' identity at once.
 */
import { X509Certificate } from 'node:crypto'
import { DomainError, invalidInput } from '@keyhsm/core'

/** id-kp-clientAuth, RFC 5280 §4.2.1.12. */
const clientAuthPurpose = '1.3.6.1.5.5.7.3.2'
const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Every certificate in a PEM text, in order. @throws ERR_INVALID_INPUT naming `field` when there is none or one is broken. */
export function parseCertificates(pem: string, field = 'certificate'): X509Certificate[] {
  const blocks = pem.match(certificatePattern) ?? []
  if (blocks.length === 0) throw invalidInput(field, 'must hold a certificate in PEM form')
  return blocks.map((block) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new DomainError('ERR_INVALID_INPUT', `${field} holds a broken certificate`, {
        cause,
        faults: [{ field, rule: 'must hold certificates in PEM form' }],
      })
    }
  })
}

/** True between the certificate's `notBefore` and `notAfter`. */
export function isInItsTime(certificate: X509Certificate, now: Date): boolean {
  return (
    Date.parse(certificate.validFrom) <= now.getTime() &&
    now.getTime() <= Date.parse(certificate.validTo)
  )
}

/** True when the certificate may be shown by a TLS client: it says clientAuth, or does not limit its purpose. */
export function allowsClientUse(certificate: X509Certificate): boolean {
  // Node's `keyUsage` is the extended key usage; absent (undefined) means any purpose.
  const purposes = certificate.keyUsage as string[] | undefined
  return purposes === undefined || purposes.includes(clientAuthPurpose)
}

/**
 * The certificates we trust: authorities, whose leafs are admitted, and leafs, each admitted by itself and nobody else of its
 * authority. A CA certificate is never an identity.
 */
export class TrustStore {
  readonly #leafs: ReadonlySet<string>
  readonly #authorities: readonly X509Certificate[]

  /** @throws ERR_INVALID_INPUT when one of the texts holds no certificate or a broken one. */
  constructor(trustedCertificates: readonly string[]) {
    const all = trustedCertificates.flatMap((pem) => parseCertificates(pem, 'trustedCertificates'))
    this.#authorities = all.filter((certificate) => certificate.ca)
    this.#leafs = new Set(
      all.filter((certificate) => !certificate.ca).map((leaf) => leaf.raw.toString('base64')),
    )
  }

  /** True when `leaf` is on the list itself, or signed by an authority on it, and everything is in its time. */
  admits(leaf: X509Certificate, now: Date): boolean {
    return this.admittedUntil(leaf, now) !== undefined
  }

  /** Until when (milliseconds of the epoch) {@link admits} stays true with this list; undefined when it is false now. */
  admittedUntil(leaf: X509Certificate, now: Date): number | undefined {
    if (leaf.ca || !isInItsTime(leaf, now) || !allowsClientUse(leaf)) return undefined
    const leafUntil = Date.parse(leaf.validTo)
    if (this.#leafs.has(leaf.raw.toString('base64'))) return leafUntil
    const issuer = this.#authorities.find(
      (authority) =>
        isInItsTime(authority, now) &&
        leaf.checkIssued(authority) &&
        leaf.verify(authority.publicKey),
    )
    return issuer && Math.min(leafUntil, Date.parse(issuer.validTo))
  }
}
