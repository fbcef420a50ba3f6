/**
 * Opens the stream to a node, with or without TLS. Nothing is sent before the certificate was compared with the pin. No
 * session is ever resumed, so the certificate is shown each time.
 */
import { createHash, type X509Certificate } from 'node:crypto'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import type { Fingerprint } from '@keyhsm/core'
import { LinkError, type LinkFault } from '../failure.js'
import type { NaeNode, NaeTls } from '../options.js'

/** How the certificate is judged: by the settings, or not at all, to show it to a person. */
export type Trust = NaeTls | 'show'

/**
 * A connected stream.
 * @throws LinkError within `limitMs`
 */
export async function connectSocket(
  node: NaeNode,
  trust: Trust | undefined,
  limitMs: number,
): Promise<Socket> {
  if (trust === undefined) {
    const socket = connectTcp({ host: node.host, port: node.port, noDelay: true })
    return await connected(socket, 'connect', node, limitMs)
  }
  const socket = connectTls(tlsOptions(node, trust))
  await connected(socket, 'secureConnect', node, limitMs)
  const fault = trust === 'show' ? undefined : findPinFault(node, trust, socket)
  if (!fault) return socket
  socket.destroy()
  throw fault
}

/** SHA-256 of the certificate's DER form: what a pin is. */
export function fingerprintOf(certificate: X509Certificate): Fingerprint {
  return createHash('sha256').update(certificate.raw).digest('hex') as Fingerprint
}

/** `host:port`, for messages. */
export function nameOf({ host, port }: NaeNode): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

function tlsOptions(node: NaeNode, trust: Trust): ConnectionOptions {
  const byPin = trust === 'show' || trust.pinned !== undefined
  return {
    host: node.host,
    port: node.port,
    // Appliances of the manual's time know nothing newer.
    minVersion: 'TLSv1.2',
    // With a pin the certificate's bytes decide, see findPinFault: dates, names and issuers add nothing.
    rejectUnauthorized: !byPin,
    ...(isIP(node.host) === 0 ? { servername: node.host } : {}),
    ...(!byPin && trust.ca !== undefined ? { ca: trust.ca } : {}),
  }
}

function findPinFault(node: NaeNode, tls: NaeTls, socket: TLSSocket): LinkError | undefined {
  if (tls.pinned === undefined) return undefined
  const shown = socket.getPeerX509Certificate()
  if (!shown) return new LinkError('tls-failed', `${nameOf(node)} showed no certificate`)
  const fingerprint = fingerprintOf(shown)
  if (tls.pinned.includes(fingerprint)) return undefined
  return new LinkError(
    'certificate-changed',
    `${nameOf(node)} shows the certificate ${fingerprint}, trusted is ${tls.pinned.join(' or ') || 'none'}`,
  )
}

function connected<Kind extends Socket>(
  socket: Kind,
  event: 'connect' | 'secureConnect',
  node: NaeNode,
  limitMs: number,
): Promise<Kind> {
  return new Promise((resolve, reject) => {
    const fail = (error: LinkError) => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(
      () => fail(new LinkError('no-answer', `${nameOf(node)} did not answer in time`)),
      limitMs,
    )
    const failed = (error: Error) => fail(toLinkError(error, node, socket))
    const closed = () => fail(new LinkError('lost', `${nameOf(node)} closed the connection`))
    socket.once('error', failed)
    socket.once('close', closed)
    socket.once(event, () => {
      clearTimeout(timer)
      socket.off('error', failed)
      socket.off('close', closed)
      resolve(socket)
    })
  })
}

/** What the system's and OpenSSL's codes mean here. */
const faultOfCode: Readonly<Record<string, LinkFault>> = {
  ENOTFOUND: 'unknown-host',
  EAI_AGAIN: 'unknown-host',
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'no-answer',
  EHOSTUNREACH: 'no-answer',
  ENETUNREACH: 'no-answer',
  ERR_SSL_WRONG_VERSION_NUMBER: 'not-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'not-tls',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client-certificate-required',
  ERR_SSL_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'client-certificate-required',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate-untrusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate-untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate-untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate-untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate-untrusted',
  CERT_HAS_EXPIRED: 'certificate-untrusted',
  CERT_NOT_YET_VALID: 'certificate-untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate-untrusted',
}

/** An error of a socket as a fault of the connection; `sent` says whether a request was under way. */
export function toLinkError(error: Error, node: NaeNode, socket: Socket, sent = false): LinkError {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  const fault = faultOfCode[code] ?? faultOfTls(error, code, socket) ?? 'lost'
  return new LinkError(fault, `${nameOf(node)}: ${code || 'the connection broke'}`, {
    sent,
    cause: error,
  })
}

/**
 * A server that wants a client certificate says so in TLS 1.3 only. In TLS 1.2 it answers "handshake failure" after it
 * has shown its own certificate; without common ciphers it answers the same before (RFC 5246 §7.4.6).
 */
function faultOfTls(error: Error, code: string, socket: Socket): LinkFault | undefined {
  if (/wrong version number|packet length too long/.test(error.message)) return 'not-tls'
  if (/certificate required/.test(error.message)) return 'client-certificate-required'
  const isTls = code.startsWith('ERR_SSL') || code === 'EPROTO'
  if (!isTls) return undefined
  const shown = 'getPeerX509Certificate' in socket && (socket as TLSSocket).getPeerX509Certificate()
  const wantsOne = /handshake failure|bad certificate/.test(error.message) && Boolean(shown)
  return wantsOne ? 'client-certificate-required' : 'tls-failed'
}
