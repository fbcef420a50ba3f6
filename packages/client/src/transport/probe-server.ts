/** Checks a server against pins by a handshake alone, so that a mismatch is known before anything is sent. */
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import type { DomainError } from '@keyhsm/core'
import { ConnectFailure, fromConnectionError } from './faults.js'
import { findWrongServer, type TlsPins, tlsOptions } from './server-check.js'
import { originOf } from './transport.js'

/**
 * Why the server at `url` is not the pinned one; undefined when it is.
 * @throws ERR_INVALID_INPUT for a URL that is not https; ERR_UNAVAILABLE when there is no TLS server.
 */
export async function findServerFault(
  url: string,
  pins: TlsPins,
  timeoutMs = 5_000,
): Promise<DomainError | undefined> {
  const { hostname, port, origin } = new URL(originOf(url))
  const host = hostname.replace(/^\[|\]$/g, '')
  const fault = await new Promise<unknown>((resolve) => {
    const socket = connect({
      ...tlsOptions(pins),
      host,
      port: port === '' ? 443 : Number(port),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['http/1.1'],
    })
    const settle = (error: unknown) => {
      socket.destroy()
      resolve(error)
    }
    socket.setTimeout(timeoutMs, () => settle({ code: 'ETIMEDOUT' }))
    socket.once('error', settle)
    socket.once('close', () => settle(new Error('closed')))
    socket.once('secureConnect', () => settle(findWrongServer(socket, pins)))
  })
  if (fault === undefined) return undefined
  const error = fromConnectionError(new ConnectFailure(fault), origin)
  if (error.code !== 'ERR_NOT_AUTHENTICATED') throw error
  return error
}
