/**
 * A certificate that Key HSM admits, and the realm it speaks for. One file each, `<SHA-256 of the DER>.pem`: lines
 * `name: value` before the PEM block, which every PEM reader skips (RFC 7468 §5.2), so that certificate and realm are
 * replaced as one.
 */
import type { X509Certificate } from 'node:crypto'
import { DomainError, type Fingerprint, invalidInput, parseRealm, type Realm } from '@keyhsm/core'
import {
  allowsClientUse,
  certificateFingerprint,
  isInItsTime,
  parseCertificates,
  publicKeyFingerprint,
} from '@keyhsm/service'

export interface TrustedCertificate {
  readonly certificate: X509Certificate
  /** SHA-256 of the DER, as `openssl x509 -fingerprint -sha256` shows it. */
  readonly fingerprint: Fingerprint
  /** SHA-256 of the public key: what identifies the peer. */
  readonly publicKey: Fingerprint
  readonly realm: Realm
  readonly trustedAt: Date
}

/**
 * Checks a certificate that an operator wants to be trusted.
 * @throws ERR_INVALID_INPUT for a CA, one out of its time, one that is only for servers, more than one in the file, or a
 * weak key.
 */
export function parseCandidate(pem: string, realm: Realm, now: Date): TrustedCertificate {
  const [certificate, second] = parseCertificates(pem, 'CERT')
  if (!certificate) throw invalidInput('CERT', 'must hold a certificate in PEM form')
  const refusal = second ? 'must hold one certificate, not several' : refusalOf(certificate, now)
  if (refusal) throw invalidInput('CERT', refusal)
  return toTrusted(certificate, realm, now)
}

function refusalOf(certificate: X509Certificate, now: Date): string | undefined {
  if (certificate.ca)
    return 'must not be a CA certificate: trust the certificate of the server itself'
  if (!isInItsTime(certificate, now)) {
    return `must be valid now: it is from ${certificate.validFrom} to ${certificate.validTo}`
  }
  if (!allowsClientUse(certificate)) {
    return 'must be usable by a TLS client: its extended key usage lacks clientAuth'
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey
  if (type === 'rsa' && (details?.modulusLength ?? 0) < 2048) {
    return 'must have an RSA key of at least 2048 bits'
  }
  return undefined
}

/** True when the certificate may also be shown by a TLS server: whoever has that server's key can call Key HSM. */
export function isServerCertificate(certificate: X509Certificate): boolean {
  // Node's `keyUsage` is the extended key usage; absent means any purpose. id-kp-serverAuth, RFC 5280 §4.2.1.12.
  const purposes = certificate.keyUsage as string[] | undefined
  return purposes === undefined || purposes.includes('1.3.6.1.5.5.7.3.1')
}

/** The text of a certificate's file. */
export function formatTrusted({ certificate, realm, trustedAt }: TrustedCertificate): string {
  const subject = certificate.subject.replaceAll('\n', ', ')
  return [
    `realm: ${realm}`,
    `subject: ${subject}`,
    `trusted: ${trustedAt.toISOString()}`,
    certificate.toString().trimEnd(),
    '',
  ].join('\n')
}

/** The reverse. @throws ERR_SETTINGS naming the file when it was damaged. */
export function parseTrusted(text: string, file: string): TrustedCertificate {
  try {
    const [certificate] = parseCertificates(text)
    const realm = parseRealm(/^realm: (.*)$/m.exec(text)?.[1] ?? '')
    const trustedAt = new Date(/^trusted: (.*)$/m.exec(text)?.[1] ?? 0)
    if (certificate) return toTrusted(certificate, realm, trustedAt)
  } catch (cause) {
    throw damaged(file, cause)
  }
  throw damaged(file)
}

function toTrusted(
  certificate: X509Certificate,
  realm: Realm,
  trustedAt: Date,
): TrustedCertificate {
  return {
    certificate,
    fingerprint: certificateFingerprint(certificate),
    publicKey: publicKeyFingerprint(certificate),
    realm,
    trustedAt,
  }
}

function damaged(file: string, cause?: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `the trusted certificate ${file} is damaged`, {
    cause,
    hints: ['remove the file and run `keyhsm trust` again'],
  })
}
