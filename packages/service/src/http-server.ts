/**
 * A service's HTTP server, over mutual TLS or on a control socket: routes in, a running server out. What the caller of a route may
 * send, how long it may take and who may call is written in the route; nothing is served that has no route.
 */
import type { TLSSocket } from 'node:tls'
import { systemClock } from '@keyhsm/core'
import { buildListener } from './http/framework.js'
import type { HttpServer, HttpServerOptions } from './http/options.js'
import { prepare, type PreparedHttpServer } from './http/serve.js'

export * from './http/options.js'
export * from './http/route-request.js'
export type { PreparedHttpServer } from './http/serve.js'

/**
 * Starts a server; it accepts requests when the promise resolves.
 * @throws ERR_SETTINGS when key, certificates, trust list or the socket's directory are unusable;
 * ERR_UNAVAILABLE when another program has the address.
 */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const prepared = await prepareHttpServer(options)
  return await prepared.listen(options.listen)
}

/**
 * Does all that needs no address: loading the framework and compiling the routes cost some tenths of a second, which a
 * service has while it waits for what is behind it.
 * @throws ERR_SETTINGS when key, certificates or trust list are unusable.
 */
export function prepareHttpServer(
  options: Omit<HttpServerOptions, 'listen'>,
): Promise<PreparedHttpServer> {
  const clock = options.clock ?? systemClock
  return prepare(options, ({ tls, connections }) =>
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
