/**
 * A service's HTTP server, over mutual TLS or on a control socket: routes in, a running server out. What the caller of a route may
 * send, how long it may take and who may call is written in the route; nothing is served that has no route.
 */
import type { TLSSocket } from 'node:tls'
import { DomainError, newUuid, systemClock } from '@keyhsm/core'
import { trackConnections } from './http/connections.js'
import { buildListener } from './http/framework.js'
import { listen } from './http/listen.js'
import { answerMalformed } from './http/malformed.js'
import { defaultHttpLimits, type HttpServer, type HttpServerOptions } from './http/options.js'
import { createPlainServer } from './http/plain-server.js'
import { createTlsServer } from './http/tls-server.js'

export * from './http/options.js'
export * from './http/route-request.js'

/**
 * Starts a server; it accepts requests when the promise resolves.
 * @throws ERR_SETTINGS when key, certificates, trust list or the socket's directory are unusable;
 * ERR_UNAVAILABLE when another program has the address.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const limits = { ...defaultHttpLimits, ...options.limits }
  const clock = options.clock ?? systemClock
  const tls = options.tls === undefined ? undefined : createTlsServer(options.tls, limits)
  const server = tls?.server ?? createPlainServer(limits)
  server.maxConnections = limits.maxConnections
  const connections = trackConnections(server)
  answerMalformed(server)
  server.on(
    'request',
    await buildListener({
      routes: options.routes,
      identify: (peer) => options.identify(peer),
      onError: (error, context) => options.onError(error, context),
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      certificateOf:
        tls && ((request) => tls.admittedCertificate(request.socket as TLSSocket, clock.now())),
      ending: () => connections.ending(),
    }),
  )
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
