/** One request from its headers to its answer, step by step; `framework.ts` says when each step is taken. */
import { isUtf8 } from 'node:buffer'
import type http from 'node:http'
import { DomainError, invalidInput, newUuid, parseUuid, type Uuid } from '@keyhsm/core'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { admit } from './access.js'
import { AskedRequest } from './asked-request.js'
import { withinDeadline } from './deadline.js'
import type { HttpServerOptions, Peer } from './options.js'
import { tooLarge } from './reply-problem.js'
import { type BoundRoute, type Identity, TextReply } from './route-request.js'
import { withIntegers } from './validation.js'

/** What the steps need to know of the server. */
export interface ExchangeOptions extends Pick<HttpServerOptions, 'identify'> {
  /** Undefined where there is no TLS: identity then comes from the headers and the raw body. */
  readonly certificateOf: ((request: http.IncomingMessage) => Peer['certificate']) | undefined
  /** True while the server ends: no new request is begun. */
  ending(): boolean
}

/** What is known of one request under way. */
export interface Exchange {
  requestId: Uuid
  identity: Identity | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange | null
  }
}

type Exchanging = { readonly request: FastifyRequest; readonly reply: FastifyReply }

const noBytes = Buffer.alloc(0)

/** Before the body is read: is the request wanted, who asks (where TLS tells), is the body too long. */
export function begin(
  route: BoundRoute,
  options: ExchangeOptions,
  { request, reply }: Exchanging,
): void | Promise<void> {
  request.exchange = { requestId: newUuid(), identity: undefined }
  if (options.ending()) throw new DomainError('ERR_UNAVAILABLE', 'the service is stopping')
  const checkLength = () => refuseLongBody(request, route.spec.maxBodyBytes)
  if (options.certificateOf === undefined) return checkLength()
  const identified = identify(route, options, { request, reply, rawBody: noBytes })
  return identified === undefined ? checkLength() : identified.then(checkLength)
}

/** When the body is there, and before the schema: who asks (where the headers tell), and what. */
export function read(
  route: BoundRoute,
  options: ExchangeOptions,
  { request, reply, integers }: Exchanging & { readonly integers: readonly string[] },
): void | Promise<void> {
  const rawBody = Buffer.isBuffer(request.body) ? request.body : noBytes
  const parse = () => {
    const takesBody = route.spec.method === 'POST' || route.spec.method === 'PUT'
    if (integers.length > 0) request.query = withIntegers(request.query as object, integers)
    request.body = takesBody ? parseJson(rawBody) : {}
    const exchange = exchangeOf(request)
    exchange.requestId = givenRequestId(request.body) ?? exchange.requestId
  }
  if (options.certificateOf !== undefined) return parse()
  const identified = identify(route, options, { request, reply, rawBody })
  return identified === undefined ? parse() : identified.then(parse)
}

/** Asks the handler and sends what it says. */
export async function answer(route: BoundRoute, { request, reply }: Exchanging): Promise<void> {
  const { spec } = route
  const { requestId, identity } = exchangeOf(request)
  // Asked again at the last door: whatever happened in between, no handler meets a caller it does not expect.
  if (spec.access !== 'anyone') admit(spec.access, identity)
  const known = {
    params: request.params as object,
    query: request.query as object,
    body: request.body as object,
    headers: request.headers as Peer['headers'],
    requestId,
    identity,
    peerAddress: request.raw.socket.remoteAddress ?? 'local',
  }
  const result = await withinDeadline(spec.deadlineMs, reply.raw, (signal) =>
    route.handle(new AskedRequest(known, signal)),
  )
  if (result instanceof TextReply) {
    sendText(reply, result)
    return
  }
  const serialize = reply.getSerializationFunction(String(spec.success))
  const text = serialize?.(result as { [key: string]: unknown }) ?? 'null'
  sendText(reply, new TextReply(text, spec.success, 'application/json'))
}

/** Sends the text under exactly this media type: the framework would add a charset, which JSON does not have (RFC 8259 §11). */
export function sendText(reply: FastifyReply, { text, status, mediaType }: TextReply): void {
  reply.code(status).header('content-type', mediaType).serializer(asItIs).send(text)
}

/** The request's record. It is made here where the request failed before {@link begin}. */
export function exchangeOf(request: FastifyRequest): Exchange {
  request.exchange ??= { requestId: newUuid(), identity: undefined }
  return request.exchange
}

/** Waits only where there is something to wait for: most services know their callers without asking anybody. */
function identify(
  { spec }: BoundRoute,
  options: ExchangeOptions,
  { request, reply, rawBody }: Exchanging & { readonly rawBody: Buffer },
): undefined | Promise<void> {
  const { access } = spec
  if (access === 'anyone') return undefined
  const found = options.identify({
    certificate: options.certificateOf?.(request.raw),
    headers: request.headers as Peer['headers'],
    method: request.method,
    path: request.raw.url ?? '',
    rawBody,
  })
  const admitted = (identity: Identity | undefined) => {
    exchangeOf(request).identity = admit(access, identity)
  }
  if (found instanceof Promise) {
    return withinDeadline(spec.deadlineMs, reply.raw, () => found).then(admitted)
  }
  admitted(found)
  return undefined
}

function refuseLongBody({ headers }: FastifyRequest, maxBodyBytes: number): void {
  const announced = Number(headers['content-length'] ?? 0)
  const chunked = headers['transfer-encoding'] !== undefined
  if (announced > maxBodyBytes || (chunked && maxBodyBytes === 0)) throw tooLarge()
}

/** @throws ERR_INVALID_INPUT when the bytes are not one JSON value in UTF-8. */
function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return {}
  if (!isUtf8(bytes)) throw invalidInput('body', 'must be UTF-8')
  try {
    return JSON.parse(bytes.toString())
  } catch {
    throw invalidInput('body', 'must be JSON')
  }
}

function givenRequestId(body: unknown): Uuid | undefined {
  const given = (body as { requestId?: unknown } | null)?.requestId
  if (typeof given !== 'string') return undefined
  try {
    return parseUuid(given)
  } catch {
    return undefined
  }
}

function asItIs(text: unknown): string {
  return text as string
}
