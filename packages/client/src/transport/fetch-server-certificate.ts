/** First contact: which certificate does a server show? The handshake only; nothing is sent and nothing is believed. */
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { DomainError } from '@keyhsm/core'
import { ConnectFailure, fromConnectionError } from './faults.js'
import { originOf } from './transport.js'

/**
 * The certificate that the server at `url` presents, whoever it is: compare its fingerprint before anything is sent.
 * @throws ERR_INVALID_INPUT for a URL that is not https; ERR_UNAVAILABLE when there is no TLS server.
 */
export function fetchServerCertificate(url: string, timeoutMs = 5_000): Promise<X509Certificate> {
  const { hostname, port, origin } = new URL(originOf(url))
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: port === '' ? 443 : Number(port),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      minVersion: 'TLSv1.2',
      // Looking is not trusting: the caller compares what this returns.
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    })
    const fail = (error: unknown) => {
      socket.destroy()
      reject(fromConnectionError(new ConnectFailure(error), origin))
    }
    socket.setTimeout(timeoutMs, () => fail({ code: 'ETIMEDOUT' }))
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('closed')))
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.destroy()
      if (certificate) resolve(certificate)
      else reject(new DomainError('ERR_UNAVAILABLE', `${origin} showed no certificate`))
    })
  })
}
