/**
 * A service's HTTP server, over mutual TLS or on a control socket: routes in, a running server out. What the caller of a route may
 * send, how long it may take and who may call is written in the route; nothing is served that has no route.
 */
import type { TLSSocket } from 'node:tls'
import { systemClock } from '@keyhsm/core'
import { buildListener } from './http/framework.js'
import type { HttpServer, HttpServerOptions } from './http/options.js'
import { serve } from './http/serve.js'

export * from './http/options.js'
export * from './http/route-request.js'

/**
 * Starts a server; it accepts requests when the promise resolves.
 * @throws ERR_SETTINGS when key, certificates, trust list or the socket's directory are unusable;
 * ERR_UNAVAILABLE when another program has the address.
 */
export function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const clock = options.clock ?? systemClock
  return serve(options, ({ tls, connections }) =>
    buildListener({
      routes: options.routes,
      identify: (peer) => options.identify(peer),
      onError: (error, context) => options.onError(error, context),
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
      certificateOf:
        tls && ((request) => tls.admittedCertificate(request.socket as TLSSocket, clock.now())),
      ending: () => connections.ending(),
    }),
  )
}
