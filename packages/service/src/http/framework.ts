/**
 * Builds the HTTP framework's application from route records; with `exchange.ts` the only file that names the framework. It gives
 * routing, body limits, schema compilation and serialisation; how a server starts and ends is decided outside.
 */
import type http from 'node:http'
import { DomainError, invalidInput } from '@keyhsm/core'
import { problemMediaType } from '@keyhsm/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { answer, begin, type ExchangeOptions, exchangeOf, read, sendText } from './exchange.js'
import type { HttpServerOptions } from './options.js'
import { methodsOf } from './paths.js'
import { HttpRefusal, problemOf, retryAfterSeconds, toRefusal } from './reply-problem.js'
import { type BoundRoute, TextReply } from './route-request.js'
import { lateCompilers } from './schema-compilers.js'
import { integerFields, invalidRequest, type SchemaFault } from './validation.js'

export interface FrameworkOptions
  extends ExchangeOptions,
    Pick<HttpServerOptions, 'routes' | 'onError' | 'metrics'> {}

/** A handle has at most 128 characters and a path part three times as many when percent-encoded. */
const maxParamLength = 512
/** The schemas are made by typebox: compiling JSON Schema's own, to check them by it, would take longer than they do. */
const customOptions = {
  coerceTypes: false,
  useDefaults: false,
  removeAdditional: false,
  validateSchema: false,
} as const
const partNames: Readonly<Record<string, string>> = { querystring: 'query', params: 'path' }

/** The listener for a node:http server's `request` event. */
export async function buildListener(options: FrameworkOptions): Promise<http.RequestListener> {
  // Loaded here: every command would pay for it, and only services need it.
  const [{ default: fastify }, compilersFactory] = await Promise.all([
    import('fastify'),
    lateCompilers(),
  ])
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength },
    schemaController: { compilersFactory },
    ajv: { customOptions },
    schemaErrorFormatter: (faults, part) =>
      invalidRequest(faults as SchemaFault[], partNames[part] ?? part),
    frameworkErrors: (error, request, reply) => {
      refuse(options, error, { request, reply })
    },
  })
  app.decorateRequest('exchange', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    done(null, bytes)
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    finishHeaders(options, request, reply)
    done(null, payload)
  })
  app.setErrorHandler((error, request, reply) => {
    refuse(options, error, { request, reply })
  })
  app.setNotFoundHandler((request, reply) => {
    refuse(options, notFound(options, request), { request, reply })
  })
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
    // The framework refuses 0; where a route takes no body, `begin` refuses one.
    bodyLimit: Math.max(1, spec.maxBodyBytes),
    schema: {
      params: spec.params,
      querystring: spec.query,
      ...(takesBody ? { body: spec.body } : {}),
      response: { [spec.success]: spec.reply },
    },
    onRequest: (request, reply, done) =>
      take(() => begin(route, options, { request, reply }), done),
    preValidation: (request, reply, done) =>
      take(() => read(route, options, { request, reply, integers }), done),
    handler: async (request, reply) => {
      await answer(route, { request, reply })
      return reply
    },
  })
}

/** Takes one step and goes on when it is done, at once where it need not wait. */
function take(step: () => void | Promise<void>, done: (error?: Error) => void): void {
  // A step that fails without an error must not look like one that is done.
  const fail = (error: unknown) =>
    done(error instanceof Error ? error : new Error('a step failed', { cause: error }))
  let pending: void | Promise<void>
  try {
    pending = step()
  } catch (error) {
    fail(error)
    return
  }
  if (pending === undefined) done()
  else pending.then(() => done(), fail)
}

function refuse(
  { onError }: FrameworkOptions,
  thrown: unknown,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): void {
  const { requestId } = exchangeOf(request)
  const refusal = toRefusal(thrown)
  const { error, status } = refusal
  try {
    onError(error, { requestId, route: routeName(request), status })
  } catch {
    // A log that cannot be written must not put its own error before the caller.
  }
  const seconds = retryAfterSeconds(error)
  if (seconds !== undefined) reply.header('retry-after', String(seconds))
  if (error.elsewhere.length > 0) reply.header('keytrustee-elsewhere', error.elsewhere.join(', '))
  if (thrown instanceof HttpRefusal) reply.headers(thrown.headers)
  // The framework closes the connection on a body it did not read; then the caller may lose the answer. The rest of the
  // body is discarded as it comes, within the server's request timeout.
  reply.removeHeader('connection')
  const document = JSON.stringify(problemOf(refusal, requestId))
  sendText(reply, new TextReply(document, status, problemMediaType))
}

function finishHeaders(
  options: FrameworkOptions,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  reply.header('cache-control', 'no-store')
  reply.header('x-content-type-options', 'nosniff')
  reply.header('x-request-id', exchangeOf(request).requestId)
  if (options.ending()) reply.header('connection', 'close')
}

function notFound({ routes }: FrameworkOptions, request: FastifyRequest): Error {
  const allowed = methodsOf(routes, request.raw.url ?? '')
  if (allowed.length === 0) return new DomainError('ERR_NOT_FOUND', 'there is nothing at this path')
  const allow = allowed.join(', ')
  return new HttpRefusal(405, invalidInput('method', `must be ${allow}`), { allow })
}

function measure(app: FastifyInstance, metrics: NonNullable<FrameworkOptions['metrics']>): void {
  app.addHook('onResponse', (request, reply, done) => {
    metrics.observeRequest(routeName(request), reply.statusCode, reply.elapsedTime / 1000)
    done()
  })
}

/** The route's template; never the caller's path, which may hold a handle. */
function routeName(request: FastifyRequest): string {
  const { url } = request.routeOptions
  return url === undefined ? 'unknown' : `${request.method} ${url}`
}
