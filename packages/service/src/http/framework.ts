/**
 * The only file that names the HTTP framework. It gives routing, body limits, schema compilation and serialisation; who may
 * call, what is an error and how a server starts and ends is decided outside.
 */
import { isUtf8 } from 'node:buffer'
import type http from 'node:http'
import { DomainError, invalidInput, newUuid, parseUuid, type Uuid } from '@keyhsm/core'
import { problemMediaType } from '@keyhsm/protocol'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { admit } from './access.js'
import { withinDeadline } from './deadline.js'
import { methodsOf } from './paths.js'
import type { HttpServerOptions, Peer } from './options.js'
import { HttpRefusal, problemOf, retryAfterSeconds, tooLarge, toRefusal } from './reply-problem.js'
import { type BoundRoute, type Identity, TextReply } from './route-request.js'
import { integerFields, invalidRequest, type SchemaFault, withIntegers } from './validation.js'

export interface FrameworkOptions
  extends Pick<HttpServerOptions, 'routes' | 'identify' | 'onError' | 'metrics'> {
  /** Undefined where there is no TLS: identity then comes from the headers and the raw body. */
  readonly certificateOf: ((request: http.IncomingMessage) => Peer['certificate']) | undefined
  /** True while the server ends: no new request is begun. */
  ending(): boolean
}

/** One request under way. */
interface Exchange {
  requestId: Uuid
  identity: Identity | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange | null
  }
}

const empty = Buffer.alloc(0)
/** A handle has at most 128 characters and a path part three times as many when percent-encoded. */
const maxParamLength = 512
const partNames: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' }

/** The listener for a node:http server's `request` event. */
export async function buildListener(options: FrameworkOptions): Promise<http.RequestListener> {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength },
    ajv: { customOptions: { coerceTypes: false, useDefaults: false, removeAdditional: false } },
    schemaErrorFormatter: (faults, part) =>
      invalidRequest(faults as SchemaFault[], partNames[part] ?? part),
    frameworkErrors: (error, request, reply) => {
      refuse(options, error, request, reply)
    },
  })
  app.decorateRequest('exchange', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    done(null, bytes)
  })
  app.addHook('onSend', async (request, reply) => finishHeaders(options, request, reply))
  app.setErrorHandler((error, request, reply) => refuse(options, error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    refuse(options, notFound(options, request), request, reply),
  )
  if (options.metrics !== undefined) measure(app, options.metrics)
  for (const route of options.routes) addRoute(app, route, options)
  await app.ready()
  return (request, response) => app.routing(request, response)
}

function addRoute(app: FastifyInstance, route: BoundRoute, options: FrameworkOptions): void {
  const { spec } = route
  const takesBody = spec.method === 'POST' || spec.method === 'PUT'
  const integers = integerFields(spec.query)
  app.route({
    method: spec.method,
    url: spec.path,
    // The framework refuses 0; a route without a body refuses one by itself in `begin`.
    bodyLimit: Math.max(1, spec.maxBodyBytes),
    schema: {
      params: spec.params,
      querystring: spec.query,
      ...(takesBody ? { body: spec.body } : {}),
      response: { [spec.success]: spec.reply },
    },
    onRequest: (request, reply) => begin(route, options, request, reply),
    preValidation: async (request, reply) => {
      const rawBody = Buffer.isBuffer(request.body) ? request.body : empty
      if (options.certificateOf === undefined)
        await identify(route, options, { request, reply, rawBody })
      request.query = withIntegers(request.query as Record<string, unknown>, integers)
      request.body = takesBody ? parseJson(rawBody) : {}
      exchangeOf(request).requestId = givenRequestId(request.body) ?? exchangeOf(request).requestId
    },
    handler: (request, reply) => answer(route, request, reply),
  })
}

/** Before the body: is it wanted, who asks (where TLS tells), is the body too long. */
async function begin(
  route: BoundRoute,
  options: FrameworkOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  request.exchange = { requestId: newUuid(), identity: undefined }
  if (options.ending()) throw new DomainError('ERR_UNAVAILABLE', 'the service is stopping')
  if (options.certificateOf !== undefined) {
    await identify(route, options, { request, reply, rawBody: empty })
  }
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers
  const { maxBodyBytes } = route.spec
  if (Number(length) > maxBodyBytes || (maxBodyBytes === 0 && encoding !== undefined))
    throw tooLarge()
}

async function identify(
  { spec }: BoundRoute,
  options: FrameworkOptions,
  { request, reply, rawBody }: { request: FastifyRequest; reply: FastifyReply; rawBody: Buffer },
): Promise<void> {
  if (spec.access === 'anyone') return
  const peer: Peer = {
    certificate: options.certificateOf?.(request.raw),
    headers: request.headers as Peer['headers'],
    method: request.method,
    path: request.raw.url ?? '',
    rawBody,
  }
  exchangeOf(request).identity = admit(
    spec.access,
    await withinDeadline(spec.deadlineMs, reply.raw, async () => options.identify(peer)),
  )
}

async function answer(
  route: BoundRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { spec } = route
  const { requestId, identity } = exchangeOf(request)
  const result = await withinDeadline(spec.deadlineMs, reply.raw, (signal) =>
    route.handle({
      params: request.params,
      query: request.query,
      body: request.body,
      headers: request.headers as Peer['headers'],
      requestId,
      identity,
      peerAddress: request.raw.socket.remoteAddress ?? 'local',
      signal,
    }),
  )
  if (result instanceof TextReply) {
    return reply.code(result.status).type(result.mediaType).send(Buffer.from(result.text))
  }
  const serialize = reply.getSerializationFunction(String(spec.success))
  const text = serialize?.(result as { [key: string]: unknown }) ?? 'null'
  // As bytes, because the framework would add a charset, which JSON does not have (RFC 8259 §11).
  return reply.code(spec.success).type('application/json').send(Buffer.from(text))
}

function refuse(
  options: FrameworkOptions,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  request.exchange ??= { requestId: newUuid(), identity: undefined }
  const { requestId } = request.exchange
  const refusal = toRefusal(thrown)
  options.onError(refusal.error, { requestId, route: routeName(request), status: refusal.status })
  const seconds = retryAfterSeconds(refusal.error)
  if (seconds !== undefined) reply.header('retry-after', String(seconds))
  if (thrown instanceof HttpRefusal) reply.headers(thrown.headers)
  // The framework closes the connection on a body it did not read; then the caller may lose the answer. The rest of the
  // body is discarded as it comes, within the server's request timeout.
  reply.removeHeader('connection')
  const body = Buffer.from(JSON.stringify(problemOf(refusal, requestId)))
  return reply.code(refusal.status).type(problemMediaType).send(body)
}

function finishHeaders(
  options: FrameworkOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.header('cache-control', 'no-store')
  reply.header('x-content-type-options', 'nosniff')
  if (request.exchange !== null) reply.header('x-request-id', request.exchange.requestId)
  if (options.ending()) reply.header('connection', 'close')
}

function notFound({ routes }: FrameworkOptions, request: FastifyRequest): Error {
  const allowed = methodsOf(routes, request.raw.url ?? '')
  if (allowed.length === 0) return new DomainError('ERR_NOT_FOUND', 'there is nothing at this path')
  const allow = allowed.join(', ')
  return new HttpRefusal(405, invalidInput('method', `must be ${allow}`), { allow })
}

function measure(app: FastifyInstance, metrics: NonNullable<FrameworkOptions['metrics']>): void {
  app.addHook('onResponse', async (request, reply) => {
    metrics.observeRequest(routeName(request), reply.statusCode, reply.elapsedTime / 1000)
  })
}

/** The route's template; never the caller's path, which may hold a handle. */
function routeName(request: FastifyRequest): string {
  const { url } = request.routeOptions
  return url === undefined ? 'unknown' : `${request.method} ${url}`
}

function exchangeOf(request: FastifyRequest): Exchange {
  if (request.exchange === null) throw new Error('the request was not begun')
  return request.exchange
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
