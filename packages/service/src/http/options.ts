/** What a server is told when it starts. */
import type { X509Certificate } from 'node:crypto'
import type { Clock, DomainError, Uuid } from '@keyhsm/core'
import type { Metrics } from '../meters.js'
import type { BoundRoute, Identity } from './route-request.js'

/** A TCP address (port 0: any free one), or a control socket: mode 0600 in a directory of mode 0700 of our own user. */
export type Listen =
  | {
      readonly host: string
      readonly port: number
      /** Connections that wait to be accepted; default 511. */
      readonly backlog?: number
    }
  | { readonly socketPath: string }

export interface TlsServing {
  /** PEM. */
  readonly key: string | Buffer
  /** PEM; may hold the chain above the leaf. */
  readonly cert: string | Buffer
  readonly passphrase?: string
  /**
   * True: a peer without an admitted certificate does not even get a connection. False: it gets one, and is nobody.
   * Fixed when the server starts; a reload cannot change it.
   */
  readonly rejectUnauthorized: boolean
  /** PEM, any number in each. An authority admits its leafs; a leaf admits itself, and nobody else of its authority. */
  readonly trustedCertificates: readonly string[]
  /** False: peers are not asked for a certificate at all. Default true. */
  readonly requestCertificate?: boolean
}

/** Bounds on what one caller can hold open. Times in milliseconds. */
export interface HttpLimits {
  readonly maxConnections: number
  /** Request line and headers together. */
  readonly maxHeaderBytes: number
  readonly handshakeTimeoutMs: number
  /** From the connection or the last reply to the end of the headers. */
  readonly headersTimeoutMs: number
  /** To the end of the body. */
  readonly requestTimeoutMs: number
  /** How long a connection without a request is kept. */
  readonly idleTimeoutMs: number
}

export const defaultHttpLimits: HttpLimits = {
  maxConnections: 1024,
  maxHeaderBytes: 8 * 1024,
  handshakeTimeoutMs: 10_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 75_000,
}

/** What is known of a caller before anything of the request is believed. */
export interface Peer {
  /**
   * Over TLS: the certificate the peer proved to hold, chained to the trusted ones and in its time; else undefined.
   * Always undefined on a server without TLS.
   */
  readonly certificate: X509Certificate | undefined
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly method: string
  /** The request target as it was sent: path and query. */
  readonly path: string
  /** The body as it was sent. Empty over TLS, where the peer is identified before its body is read. */
  readonly rawBody: Buffer
}

export interface HttpServerOptions {
  readonly listen: Listen
  readonly tls?: TlsServing
  readonly routes: readonly BoundRoute[]
  /**
   * Who is calling; undefined is nobody (401). Asked for every request of a route whose access is not `anyone`, never
   * cached, so that a caller who is disabled or no longer trusted is refused on connections that are already open.
   */
  identify(peer: Peer): Promise<Identity | undefined> | Identity | undefined
  /** Told of every error that was answered; `error.cause` holds what the caller was not shown. */
  onError(
    error: DomainError,
    context: { readonly requestId: Uuid; readonly route: string; readonly status: number },
  ): void
  readonly limits?: Partial<HttpLimits>
  readonly metrics?: Metrics
  readonly clock?: Clock
}

export interface HttpServer {
  readonly address:
    | { readonly host: string; readonly port: number }
    | { readonly socketPath: string }
  /**
   * New key, certificate and trust list: for new handshakes, and the trust list for the next request of open connections.
   * @throws ERR_SETTINGS when they are unusable; the old ones stay in use.
   */
  reloadTls(tls: TlsServing): void
  /** Stops accepting, lets requests in flight finish for at most `timeoutMs`, then closes every connection. */
  drain(timeoutMs: number): Promise<void>
  /** Closes every connection at once. Safe to call after {@link drain} and twice. */
  close(): Promise<void>
  /** Requests that are not answered yet. */
  inFlight(): number
}
