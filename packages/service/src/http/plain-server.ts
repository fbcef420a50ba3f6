/** The HTTP listener of a control socket, and what it shares with HTTPS: the bounds that node:http keeps. */
import http from 'node:http'
import type { HttpLimits } from './options.js'

/** Options of node:http that keep the limits. @see https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener */
export function nodeHttpOptions(limits: HttpLimits): http.ServerOptions {
  const shortest = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs)
  return {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: shortest,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // How often the two timeouts are looked at.
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, shortest / 2)),
    insecureHTTPParser: false,
    requireHostHeader: true,
    noDelay: true,
  }
}

/** The server of a control socket: the same limits as over TLS. */
export function createPlainServer(limits: HttpLimits): http.Server {
  return http.createServer(nodeHttpOptions(limits))
}
