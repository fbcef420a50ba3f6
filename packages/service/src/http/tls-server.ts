/** The HTTPS listener: which TLS is spoken, whom OpenSSL lets in, and how key and trust list are exchanged while it runs. */
import { constants, type X509Certificate } from 'node:crypto'
import https from 'node:https'
import { createSecureContext, type SecureContextOptions, type TLSSocket } from 'node:tls'
import { DomainError } from '@keyhsm/core'
import { peerCertificate } from '../peer-identity.js'
import { TrustStore } from '../trust-store.js'
import type { HttpLimits, TlsServing } from './options.js'
import { nodeHttpOptions } from './plain-server.js'

/** TLS 1.3 suites, then the ECDHE suites of TLS 1.2 with an AEAD: forward secrecy and no CBC. */
const cipherSuites = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
].join(':')

/** No tickets: a resumed session can look authorised without a certificate (see `peer-identity.ts`). */
const secureOptions = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

/** An HTTPS server that can tell who is at the other end of a connection. */
export interface TlsServer {
  readonly server: https.Server
  /** The peer's certificate if it is admitted now: asked per request, so that a changed trust list counts at once. */
  admittedCertificate(socket: TLSSocket, now: Date): X509Certificate | undefined
  /** @throws ERR_SETTINGS; the old key, certificate and trust list stay. */
  reload(tls: TlsServing): void
}

/** What was found once for a connection, and holds while the trust list is the same and its time has not passed. */
interface Admitted {
  readonly trust: TrustStore
  readonly certificate: X509Certificate
  readonly untilMs: number
}

/** @throws ERR_SETTINGS when key, certificate or trust list are unusable. */
export function createTlsServer(tls: TlsServing, limits: HttpLimits): TlsServer {
  let trust = prepare(tls).trust
  const server = new PartialChainServer({
    ...nodeHttpOptions(limits),
    ...contextOptions(tls),
    requestCert: tls.requestCertificate ?? true,
    rejectUnauthorized: tls.rejectUnauthorized,
    handshakeTimeout: limits.handshakeTimeoutMs,
    ALPNProtocols: ['http/1.1'],
  })
  server.on('secureConnection', readByEvents)
  const admitted = new WeakMap<TLSSocket, Admitted>()
  return {
    server,
    admittedCertificate(socket, now) {
      const known = admitted.get(socket)
      if (known?.trust === trust && now.getTime() <= known.untilMs) return known.certificate
      const certificate = peerCertificate(socket)
      const untilMs = certificate && trust.admittedUntil(certificate, now)
      if (certificate === undefined || untilMs === undefined) return undefined
      admitted.set(socket, { trust, certificate, untilMs })
      return certificate
    },
    reload(next) {
      const prepared = prepare(next)
      server.setSecureContext(contextOptions(next))
      trust = prepared.trust
    },
  }
}

/**
 * An https.Server whose trust list may hold leafs of an authority that is not trusted itself.
 *
 * observed: on Node 20.20 `createSecureContext` knows `allowPartialTrustChain`, but `Server.setSecureContext` does not hand it on, so
 * the context is put in its place here. Where a later Node ignores `_sharedCreds` such leafs are refused, never others admitted.
 */
class PartialChainServer extends https.Server {
  override setSecureContext(options: SecureContextOptions): void {
    super.setSecureContext(options)
    Object.assign(this, { _sharedCreds: createSecureContext(options) })
  }
}

/**
 * Has the connection read by events, which a listener of its own does, instead of by the parser itself. observed: on Node 20.20 a
 * request of several TLS records that comes while the answer before it is not all sent pauses that parser, is fed to it all the
 * same, and ends as HPE_PAUSED: 400 to a request that is right.
 */
function readByEvents(socket: TLSSocket): void {
  socket.on('data', () => undefined)
}

function contextOptions(tls: TlsServing): SecureContextOptions {
  return {
    key: tls.key,
    cert: tls.cert,
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    // An empty list trusts nobody; leaving `ca` out would trust the public web's authorities.
    ca: [...tls.trustedCertificates],
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: cipherSuites,
    honorCipherOrder: true,
    secureOptions,
  }
}

/** Tries everything out before any of it is used. */
function prepare(tls: TlsServing): { trust: TrustStore } {
  try {
    createSecureContext(contextOptions(tls))
  } catch (cause) {
    throw new DomainError(
      'ERR_SETTINGS',
      'the TLS private key or certificate cannot be used: broken, not a pair, or the passphrase is wrong',
      { cause },
    )
  }
  try {
    return { trust: new TrustStore(tls.trustedCertificates) }
  } catch (cause) {
    throw new DomainError('ERR_SETTINGS', 'a trusted certificate cannot be read', { cause })
  }
}
