/** What every HTTP server of ours does around its requests: limits, TLS, the listener, draining. */
import type http from 'node:http'
import { DomainError, newUuid } from '@keyhsm/core'
import { type Connections, trackConnections } from './connections.js'
import { listen } from './listen.js'
import { answerMalformed } from './malformed.js'
import { defaultHttpLimits, type HttpServer, type HttpServerOptions } from './options.js'
import { createPlainServer } from './plain-server.js'
import { createTlsServer } from './tls-server.js'

/** What a listener of requests may ask. */
export interface Surroundings {
  readonly tls: ReturnType<typeof createTlsServer> | undefined
  readonly connections: Connections
}

/**
 * Starts a server that answers by `listener`; it accepts requests when the promise resolves.
 * @throws ERR_SETTINGS when the socket's directory, key, certificates or address are unusable;
 * ERR_UNAVAILABLE when another program has the address.
 */
export async function serve(
  options: Pick<HttpServerOptions, 'listen' | 'tls' | 'limits' | 'onError'>,
  listener: (around: Surroundings) => http.RequestListener | Promise<http.RequestListener>,
): Promise<HttpServer> {
  const limits = { ...defaultHttpLimits, ...options.limits }
  const tls = options.tls === undefined ? undefined : createTlsServer(options.tls, limits)
  const server = tls?.server ?? createPlainServer(limits)
  server.maxConnections = limits.maxConnections
  const connections = trackConnections(server)
  answerMalformed(server)
  server.on('request', await listener({ tls, connections }))
  const address = await listen(server, options.listen)
  // Accepting can fail later too (no more file descriptors); without a listener that would end the process.
  server.on('error', (cause) => {
    const error = new DomainError('ERR_UNAVAILABLE', 'a connection could not be accepted', {
      cause,
    })
    options.onError(error, { requestId: newUuid(), route: 'accept', status: 503 })
  })
  return {
    address,
    reloadTls(next) {
      if (tls === undefined) throw new DomainError('ERR_SETTINGS', 'this server has no TLS')
      tls.reload(next)
    },
    drain: (timeoutMs) => connections.drain(timeoutMs),
    close: () => connections.close(),
    inFlight: () => connections.inFlight(),
  }
}
