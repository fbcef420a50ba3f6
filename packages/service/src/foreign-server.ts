/**
 * An HTTP server for a protocol that is not ours: same listeners, limits, TLS and draining as `http-server.ts`, but paths, bodies,
 * reason phrases and errors are the handler's own. Requests need neither body nor length nor content type.
 */
import type http from 'node:http'
import type { TLSSocket } from 'node:tls'
import { DomainError, newUuid, toDomainError } from '@keyhsm/core'
import { type SignalSource, withinDeadline } from './http/deadline.js'
import type { ForeignReply, ForeignRequest } from './http/foreign-request.js'
import type { HttpServer, HttpServerOptions } from './http/options.js'
import { readBody } from './http/read-body.js'
import { serve } from './http/serve.js'

export type { ForeignReply, ForeignRequest } from './http/foreign-request.js'

export interface ForeignServerOptions
  extends Pick<HttpServerOptions, 'listen' | 'tls' | 'limits' | 'onError'> {
  readonly maxBodyBytes: number
  readonly deadlineMs: number
  handle(request: ForeignRequest): Promise<ForeignReply>
  /** The answer to whatever was thrown: by the handler, for a body too long (ERR_TOO_LARGE), a deadline (ERR_BUSY), a stop. */
  refuse(error: unknown): ForeignReply
}

/**
 * Starts the server; it accepts requests when the promise resolves. Without `tls` it speaks plain HTTP.
 * @throws ERR_SETTINGS when address, key or certificate are unusable; ERR_UNAVAILABLE when another program has the address.
 */
export function startForeignServer(options: ForeignServerOptions): Promise<HttpServer> {
  return serve(options, ({ connections }) => (request, response) => {
    void answer(options, { request, response, ending: connections.ending() })
  })
}

interface Exchange {
  readonly request: http.IncomingMessage
  readonly response: http.ServerResponse
  readonly ending: boolean
}

async function answer(options: ForeignServerOptions, exchange: Exchange): Promise<void> {
  const { request, response, ending } = exchange
  let reply: ForeignReply
  try {
    if (ending) throw new DomainError('ERR_UNAVAILABLE', 'the service is stopping')
    reply = await ask(options, request, response)
  } catch (error) {
    reply = options.refuse(error)
    report(options, request, { error, status: reply.status })
  }
  if (response.destroyed) return
  try {
    send(response, reply, ending)
  } catch (error) {
    report(options, request, { error, status: 500 })
    response.destroy()
  }
}

async function ask(
  options: ForeignServerOptions,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<ForeignReply> {
  const body = await readBody(request, options.maxBodyBytes)
  return withinDeadline(options.deadlineMs, response, (signal) =>
    options.handle(new ReadRequest({ request, response }, body, signal)),
  )
}

/** A class for the reason that `http/asked-request.ts` gives. */
class ReadRequest implements ForeignRequest {
  readonly method: string
  readonly target: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  readonly peerAddress: string
  readonly secure: boolean
  readonly #response: http.ServerResponse
  readonly #signal: SignalSource

  constructor(
    { request, response }: Pick<Exchange, 'request' | 'response'>,
    body: Buffer,
    signal: SignalSource,
  ) {
    this.method = request.method ?? 'GET'
    this.target = request.url ?? '/'
    this.headers = request.headers
    this.body = body
    this.peerAddress = plainAddress(request.socket.remoteAddress)
    this.secure = (request.socket as Partial<TLSSocket>).encrypted === true
    this.#response = response
    this.#signal = signal
  }

  get signal(): AbortSignal {
    return this.#signal()
  }

  get delivered(): Promise<boolean> {
    return deliveryOf(this.#response)
  }
}

/** Call it before the reply is sent: `close` always comes, after `finish` when all was handed over. */
function deliveryOf(response: http.ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) resolve(false)
    response.once('finish', () => resolve(true))
    response.once('close', () => resolve(response.writableFinished))
  })
}

function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/, '') ?? 'local'
}

function report(
  options: ForeignServerOptions,
  request: http.IncomingMessage,
  { error, status }: { readonly error: unknown; readonly status: number },
): void {
  try {
    const route = request.method ?? 'GET'
    options.onError(toDomainError(error), { requestId: newUuid(), route, status })
  } catch {
    // A log that cannot be written must not put its own error before the caller.
  }
}

function send(response: http.ServerResponse, reply: ForeignReply, ending: boolean): void {
  // Text is left to node:http, which writes it in one piece with the headers.
  const { body = '' } = reply
  const headers: Record<string, string | string[] | number> = {
    'content-length': typeof body === 'string' ? Buffer.byteLength(body) : body.length,
  }
  const given = reply.headers ?? {}
  for (const name in given) {
    const value = given[name]
    if (value !== undefined) headers[name] = typeof value === 'string' ? value : [...value]
  }
  if (ending) headers['connection'] = 'close'
  const reason = reply.reason === undefined ? undefined : toReasonPhrase(reply.reason)
  if (reason === undefined) response.writeHead(reply.status, headers)
  else response.writeHead(reply.status, reason, headers)
  response.end(body)
}

/** Text as a reason phrase: one line of printable Latin-1. @see RFC 9112 §4 */
export function toReasonPhrase(text: string): string {
  return text.replace(/[\r\n][\s\S]*$/, '').replace(/[^\t\x20-\x7e\xa0-\xff]/g, '?')
}
