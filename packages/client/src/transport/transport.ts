/**
 * Calls of routes over mutual TLS or a control socket. The only file that names undici. One call is one request: what
 * may be repeated is decided by the clients on top.
 */
import type { TLSSocket } from 'node:tls'
import { type Clock, invalidInput, systemClock } from '@keyhsm/core'
import {
  type AdministratorKey,
  type BodyOf,
  type ParamsOf,
  type QueryOf,
  type ReplyOf,
  type RouteSpec,
  signRequest,
} from '@keyhsm/protocol'
import { buildConnector, type Dispatcher, Pool } from 'undici'
import { ConnectFailure, fromConnectionError, showsOtherCertificate } from './faults.js'
import { findSuccessors, type Follower } from './follow-certificate.js'
import { type RawReply, readReply } from './read-reply.js'
import { formatRequestPath } from './request-path.js'
import { findWrongServer, type TlsPins, tlsOptions } from './server-check.js'

export interface TransportOptions {
  /** `https://host:port` of the server… */
  readonly url?: string | undefined
  /** …or the path of its control socket… */
  readonly socketPath?: string | undefined
  /** …or a port of this machine, without TLS: signed requests to a management listener on 127.0.0.1. */
  readonly loopbackPort?: number | undefined
  readonly tls?: TlsPins | undefined
  /** Replaces every route's own deadline. */
  readonly timeoutMs?: number | undefined
  /** Signs each request: administrators on a control socket. */
  readonly signer?: AdministratorKey | undefined
  /** Most connections kept open at once; default 16. */
  readonly connections?: number | undefined
  readonly clock?: Clock | undefined
  /** Absent: a server that changed its certificate is refused, whatever its predecessor says. */
  readonly follower?: Follower | undefined
}

export interface CallOptions<Spec> {
  readonly params?: ParamsOf<Spec> | undefined
  readonly query?: QueryOf<Spec> | undefined
  readonly body?: BodyOf<Spec> | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/** Time to connect and finish the handshake. */
const connectTimeoutMs = 5_000
/** What the server may need beyond its own deadline to say that it was exceeded. */
const deadlineSlackMs = 1_000
/** Changes of the server's certificate while one connection is made. */
const mostChanges = 4
/** 16 MiB of content as base64, and room for the rest. */
const maxReplyBytes = 24 * 1024 * 1024

/** A pool of connections to one server. */
export class Transport {
  /** What errors call the other end. */
  readonly peer: string
  readonly #pool: Pool
  readonly #options: TransportOptions
  readonly #connections: PinnedConnections

  /** Connects on the first call. @throws ERR_INVALID_INPUT for a URL that is not https, or certificates that cannot be read. */
  constructor(options: TransportOptions) {
    this.#options = options
    const { peer, origin } = endpointOf(options)
    this.peer = peer
    this.#connections = pinnedConnections(options)
    this.#pool = new Pool(origin, {
      connections: options.connections ?? 16,
      pipelining: 1,
      allowH2: false,
      connect: this.#connections.connect,
      maxResponseSize: maxReplyBytes,
      // The deadline of the call is the only limit.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
  }

  /**
   * Sends one request and returns the checked reply.
   * @throws the error that the server answered with; ERR_UNAVAILABLE or ERR_NOT_AUTHENTICATED with a
   * {@link ConnectionFault} as cause when there was no readable answer.
   */
  async call<Spec extends RouteSpec>(
    spec: Spec,
    options: CallOptions<Spec> = {},
  ): Promise<ReplyOf<Spec>> {
    const path = formatRequestPath(spec, options.params, options.query)
    const body = options.body === undefined ? '' : JSON.stringify(options.body)
    const headers = {
      accept: 'application/json',
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
      ...this.#signature(spec.method, path, body),
    }
    const timeoutMs = this.#options.timeoutMs ?? spec.deadlineMs + deadlineSlackMs
    const request = { method: spec.method, path, headers, body: body === '' ? null : body }
    const reply = await this.#send(request, timeoutMs, options.signal)
    return readReply(spec, reply, (this.#options.clock ?? systemClock).now())
  }

  #signature(method: string, path: string, body: string): Record<string, string> {
    const { signer, clock = systemClock } = this.#options
    if (!signer) return {}
    return signRequest(signer, { method, path, body: Buffer.from(body), now: clock.now() })
  }

  async #send(
    request: Dispatcher.RequestOptions,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<RawReply> {
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(deadlineFault()), timeoutMs)
    const giveUp = () => deadline.abort()
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      if (signal?.aborted === true) giveUp()
      const reply = await this.#pool.request({ ...request, signal: deadline.signal })
      const { 'retry-after': retryAfter, date } = reply.headers
      return {
        status: reply.statusCode,
        text: await reply.body.text(),
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        date: typeof date === 'string' ? date : undefined,
      }
    } catch (error) {
      throw fromConnectionError(error, this.peer)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /** Accepts these certificates (PEM) in place of those before; connections that exist stay. @throws ERR_INVALID_INPUT */
  pin(ca: readonly string[]): void {
    this.#connections.pin(ca)
  }

  /** Waits for running calls, then closes every connection. */
  async close(): Promise<void> {
    await this.#pool.close()
  }

  /** Ends running calls with ERR_UNAVAILABLE and closes every connection at once. */
  async destroy(): Promise<void> {
    await this.#pool.destroy()
  }
}

function endpointOf({ url, socketPath, loopbackPort }: TransportOptions) {
  if (socketPath !== undefined) return { peer: 'the control socket', origin: 'http://localhost' }
  if (loopbackPort === undefined) return { peer: originOf(url), origin: originOf(url) }
  return { peer: `127.0.0.1:${loopbackPort}`, origin: `http://127.0.0.1:${loopbackPort}` }
}

function deadlineFault(): Error {
  return Object.assign(new Error('deadline exceeded'), { code: 'DEADLINE' })
}

/** `https://host:port` of a URL. @throws ERR_INVALID_INPUT */
export function originOf(text: string | undefined, field = 'server'): string {
  const url = URL.canParse(text ?? '') ? new URL(text ?? '') : undefined
  // Nothing but scheme, host and port: everything else would be left out silently.
  if (url?.protocol !== 'https:' || url.href !== `${url.origin}/`)
    throw invalidInput(field, 'must be a URL such as https://host:11371, without a path')
  return url.origin
}

interface PinnedConnections {
  readonly connect: buildConnector.connector
  pin(ca: readonly string[]): void
}

/**
 * Connects, then checks the server before undici may write a byte. TLS sessions are never resumed. A server that shows another
 * certificate is connected to again, for nothing was sent, when other pins came in the meantime, or when its certificate was
 * followed by the one it shows: it is asked for the proof, once for all connections that wait.
 */
function pinnedConnections(o: TransportOptions): PinnedConnections {
  const { follower } = o
  let tls = o.tls
  let connect = checkedConnector(o, tls)
  const pin = (ca: readonly string[]): void => {
    const pins = { ...tls, ca }
    connect = checkedConnector(o, pins)
    tls = pins
  }
  let following: Promise<boolean> | undefined
  const follow = async (): Promise<boolean> => {
    if (!follower || !tls) return false
    const found = await findSuccessors(originOf(o.url), tls.ca)
    if (found === undefined) return false
    pin([...tls.ca, ...found])
    // Not remembered is asked again next time: no reason to fail.
    await follower.remember(found).catch(() => undefined)
    return true
  }
  const attempt = (
    options: buildConnector.Options,
    callback: buildConnector.Callback,
    left: number,
  ): void => {
    const used = connect
    used(options, (...result) => {
      if (left === 0 || !showsOtherCertificate(result[0])) return callback(...result)
      if (used !== connect) return attempt(options, callback, left - 1)
      following ??= follow().finally(() => {
        following = undefined
      })
      void following.then((found) =>
        found ? attempt(options, callback, left - 1) : callback(...result),
      )
      return undefined
    })
  }
  return { pin, connect: (options, callback) => attempt(options, callback, mostChanges) }
}

function checkedConnector(
  o: Pick<TransportOptions, 'socketPath' | 'loopbackPort'>,
  tls: TlsPins | undefined,
): buildConnector.connector {
  const { socketPath } = o
  const local = socketPath !== undefined || o.loopbackPort !== undefined
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    maxCachedSessions: 0,
    allowH2: false,
    ...(socketPath === undefined ? {} : { socketPath }),
    ...(tls === undefined ? {} : tlsOptions(tls)),
  })
  return (options, callback) => {
    connect(options, (...result) => {
      const [error, socket] = result
      if (error !== null) return callback(new ConnectFailure(error), null)
      const fault = local ? undefined : findWrongServer(socket as TLSSocket, tls ?? { ca: [] })
      // Without this undici reports `other side closed` in place of the TLS alert that came first.
      socket.once('error', (alert) => socket.destroy(alert))
      if (!fault) return callback(null, socket)
      socket.destroy()
      return callback(new ConnectFailure(fault), null)
    })
  }
}
