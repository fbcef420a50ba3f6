/**
 * Who is at the other end of a TLS connection. Every decision about a peer starts here: no other file reads
 * `socket.authorized` or asks a socket for its peer's certificate.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Fingerprint } from '@keyhsm/core'

/**
 * The certificate whose private key the peer proved to hold and whose chain OpenSSL accepted, or undefined.
 *
 * `socket.authorized` alone is worthless: on Node 20 and 22 it is true on a resumed TLS 1.3 session of a peer that never
 * sent a certificate, where the server asks for one but does not insist. So the certificate's bytes must be there too.
 * @see nodejs/node#35317
 */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  if (!socket.authorized) return undefined
  const certificate = socket.getPeerX509Certificate()
  return certificate !== undefined && certificate.raw.length > 0 ? certificate : undefined
}

/** SHA-256 of the SubjectPublicKeyInfo in DER: stays the same when a certificate is renewed with its key. */
export function publicKeyFingerprint(certificate: X509Certificate): Fingerprint {
  return sha256(certificate.publicKey.export({ type: 'spki', format: 'der' }))
}

/** SHA-256 of the certificate's DER, as `openssl x509 -fingerprint -sha256` prints it, in lower case without colons. */
export function certificateFingerprint(certificate: X509Certificate): Fingerprint {
  return sha256(certificate.raw)
}

function sha256(bytes: Buffer): Fingerprint {
  return createHash('sha256').update(bytes).digest('hex') as Fingerprint
}
