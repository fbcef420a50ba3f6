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

/** A server that does not listen yet. */
export interface PreparedHttpServer {
  /** @throws ERR_UNAVAILABLE when another program has the address; ERR_SETTINGS when the socket's directory is unusable. */
  listen(where: HttpServerOptions['listen']): Promise<HttpServer>
}

/**
 * Starts a server that answers by `listener`; it accepts requests when the promise resolves.
 * @throws ERR_SETTINGS when the socket's directory, key, certificates or address are unusable;
 * ERR_UNAVAILABLE when another program has the address.
 */
export async function serve(
  options: Pick<HttpServerOptions, 'listen'> & PrepareOptions,
  listener: MakeListener,
): Promise<HttpServer> {
  const prepared = await prepare(options, listener)
  return await prepared.listen(options.listen)
}

type PrepareOptions = Pick<HttpServerOptions, 'tls' | 'limits' | 'onError'>
type MakeListener = (around: Surroundings) => http.RequestListener | Promise<http.RequestListener>

/** All of {@link serve} but listening. @throws ERR_SETTINGS when key or certificates are unusable. */
export async function prepare(
  options: PrepareOptions,
  listener: MakeListener,
): Promise<PreparedHttpServer> {
  const limits = { ...defaultHttpLimits, ...options.limits }
  const tls = options.tls === undefined ? undefined : createTlsServer(options.tls, limits)
  const server = tls?.server ?? createPlainServer(limits)
  server.maxConnections = limits.maxConnections
  const connections = trackConnections(server)
  answerMalformed(server)
  server.on('request', await listener({ tls, connections }))
  return {
    async listen(where) {
      const address = await listen(server, where)
      // Accepting can fail later too (no more file descriptors); without a listener that would end the process.
      server.on('error', (cause) => {
        const detail = 'a connection could not be accepted'
        const error = new DomainError('ERR_UNAVAILABLE', detail, { cause })
        options.onError(error, { requestId: newUuid(), route: 'accept', status: 503 })
      })
      return toHttpServer(address, { tls, connections })
    },
  }
}

function toHttpServer(
  address: HttpServer['address'],
  { tls, connections }: Surroundings,
): HttpServer {
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
