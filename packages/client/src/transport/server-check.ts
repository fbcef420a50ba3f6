/** Whether the server at the other end is the one that was pinned. */
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto'
import {
  type ConnectionOptions,
  checkServerIdentity,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls'
import { type Fingerprint, invalidInput } from '@keyhsm/core'
import { WrongServer } from './faults.js'

/** Certificates and keys of one HTTPS connection; PEM texts. */
export interface TlsPins {
  /** What the server must present: its own certificate exactly, or one issued by a CA in this list. Empty: public CAs. */
  readonly ca: readonly string[]
  readonly cert?: string | undefined
  readonly key?: string | Buffer | undefined
  readonly passphrase?: string | undefined
  /** SHA-256 over the DER of the server's own certificate, checked in addition. */
  readonly pinnedFingerprint?: Fingerprint | undefined
}

/** The certificates of a PEM text. @throws ERR_INVALID_INPUT naming `field` when there is none or one cannot be read. */
export function splitPem(text: string, field: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw invalidInput(field, 'must hold a certificate in PEM')
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    throw invalidInput(field, 'holds a certificate that cannot be read')
  }
}

/** SHA-256 of a certificate's DER, as 64 hex digits. */
export function fingerprintOf(certificate: { readonly raw: Buffer }): Fingerprint {
  return createHash('sha256').update(certificate.raw).digest('hex') as Fingerprint
}

/**
 * TLS's host name check, except for a certificate that is pinned itself: who holds its key is the server, whatever
 * name or address it was reached by.
 */
function hostCheck(ca: readonly string[]) {
  const leaves = ca.flatMap((pem) => splitPem(pem, 'ca')).filter((certificate) => !certificate.ca)
  return (host: string, peer: PeerCertificate): Error | undefined =>
    leaves.some((leaf) => leaf.raw.equals(peer.raw)) ? undefined : checkServerIdentity(host, peer)
}

/** Why `socket` leads to another server than `pins` say; undefined when it is the right one. */
export function findWrongServer(socket: TLSSocket, pins: TlsPins): Error | undefined {
  if (!socket.authorized) return new WrongServer('the certificate chain was not verified')
  if (pins.pinnedFingerprint === undefined) return undefined
  const peer = socket.getPeerX509Certificate()
  if (!peer) return new WrongServer('the server showed no certificate')
  const seen = Buffer.from(fingerprintOf(peer), 'hex')
  return timingSafeEqual(seen, Buffer.from(pins.pinnedFingerprint, 'hex'))
    ? undefined
    : new WrongServer('another certificate than the pinned one')
}

type PinnedOptions = Pick<
  ConnectionOptions,
  'minVersion' | 'rejectUnauthorized' | 'ca' | 'checkServerIdentity' | 'cert' | 'key' | 'passphrase'
>

/** `pins` as options of Node's TLS; the server is checked once more by {@link findWrongServer}. */
export function tlsOptions(pins: TlsPins): PinnedOptions {
  const trusted =
    pins.ca.length === 0
      ? {}
      : // A pinned certificate is trusted by itself, without the CA that issued it.
        { ca: [...pins.ca], allowPartialTrustChain: true, checkServerIdentity: hostCheck(pins.ca) }
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    ...trusted,
    ...(pins.cert === undefined ? {} : { cert: pins.cert }),
    ...(pins.key === undefined ? {} : { key: pins.key }),
    ...(pins.passphrase === undefined ? {} : { passphrase: pins.passphrase }),
  }
}
