/** One request from its headers to its answer: who asks, what is asked, who answers. */
import { newUuid } from '@keyhsm/core'
import type { ForeignReply, ForeignRequest, Metrics } from '@keyhsm/service'
import type { Answer, Call, Kms } from '../api/call.js'
import { endpoints, type Method } from '../api/endpoints.js'
import { decodeName, matchPath } from '../api/match-path.js'
import { causeOf, RemoteError, toErrorReply, toRemoteError } from '../api/remote-error.js'
import type { Authenticator } from '../authentication/authenticator.js'
import type { Caller } from '../authentication/caller.js'
import { type RequestParts, takeApart } from '../authentication/request-parts.js'
import { readJmx } from '../metrics/jmx.js'
import { commonHeaders } from './common-headers.js'
import { RequestCall } from './request-call.js'

export interface RequestContext {
  readonly kms: Kms
  readonly authenticator: Authenticator
  readonly metrics: Metrics
  readonly processName: string
  /** Told of faults that are not the caller's. */
  onFault(error: unknown, requestId: string): void
}

export async function handleRequest(
  context: RequestContext,
  request: ForeignRequest,
): Promise<ForeignReply> {
  const startedAt = process.hrtime.bigint()
  const parts = takeApart(request)
  const reply = await answer(context, request, parts)
  countReply(context, reply.status)
  const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9
  context.metrics.observeRequest(routeOf(parts), reply.status, seconds)
  const now = context.kms.clock.now().getTime()
  return { ...reply, headers: { ...commonHeaders(now), ...reply.headers } }
}

async function answer(
  context: RequestContext,
  request: ForeignRequest,
  parts: RequestParts,
): Promise<ForeignReply> {
  let caller: Caller | undefined
  let headers = {}
  const requestId = newUuid()
  try {
    const authentication = await context.authenticator.authenticate(parts)
    if ('reply' in authentication) return authentication.reply
    caller = authentication.caller
    headers = authentication.headers
    if (request.method === 'OPTIONS') return { status: 200, headers }
    const reply = await dispatch(context, { request, parts, caller, requestId })
    return { ...reply, headers: { ...headers, ...reply.headers } }
  } catch (thrown) {
    const error = toRemoteError(thrown)
    const reply = toErrorReply(error)
    if (error.status >= 500) context.onFault(causeOf(thrown) ?? error, requestId)
    await auditError(context, { error, request, caller, requestId })
    return { ...reply, headers: { ...headers, ...reply.headers } }
  }
}

interface Dispatched {
  readonly request: ForeignRequest
  readonly parts: RequestParts
  readonly caller: Caller
  readonly requestId: string
}

async function dispatch(context: RequestContext, d: Dispatched): Promise<ForeignReply> {
  const page = pages[d.parts.path.replace(/\/$/, '')]
  if (page) return page(context, d)
  const match = matchPath(d.parts.path)
  if (!match) throw new RemoteError(404, 'io', 'there is nothing at this path')
  const methods = endpoints[match.endpoint]
  const method = d.request.method === 'HEAD' ? 'GET' : d.request.method
  const endpoint = methods[method as Method]
  if (!endpoint) {
    const allow = Object.keys(methods).join(', ')
    throw new RemoteError(405, 'io', `the method must be ${allow}`, { headers: { allow } })
  }
  const name = decodeName(match.encodedName, d.request.headers['user-agent'])
  const isReencrypt =
    endpoint.meter === 'decrypt_eek' && d.parts.query.get('eek_op') === 'reencrypt'
  context.kms.meters.mark(isReencrypt ? 'reencrypt_eek' : endpoint.meter)
  return toReply(await endpoint.run(await toCall(context, d, name)))
}

async function toCall({ kms }: RequestContext, d: Dispatched, name: string): Promise<Call> {
  const groups = kms.acls().namesGroups ? await kms.groups.of(d.caller.user.short) : []
  return new RequestCall({ kms, groups, name, ...d })
}

/** No body is an empty one of text, as the original sends it. */
function toReply({ status = 200, body, headers = {} }: Answer): ForeignReply {
  if (body === undefined)
    return { status, headers: { 'content-type': 'text/plain;charset=utf-8', ...headers } }
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  }
}

/** What monitors read, for whoever is authenticated. */
const pages: Readonly<
  Record<string, (context: RequestContext, d: Dispatched) => ForeignReply | Promise<ForeignReply>>
> = {
  '/jmx': jmxPage,
  '/kms/jmx': jmxPage,
  '/kms/metrics/prometheus': async ({ metrics }) => ({
    status: 200,
    headers: { 'content-type': metrics.contentType },
    body: await metrics.text(),
  }),
  '/kms/api/status': () => toReply({ body: { status: 'Key Trustee KMS is running' } }),
}

function jmxPage({ kms, processName }: RequestContext, { parts }: Dispatched): ForeignReply {
  const headers = {
    'content-type': 'application/json; charset=utf8',
    'access-control-allow-methods': 'GET',
    'access-control-allow-origin': '*',
  }
  const body = JSON.stringify(readJmx(parts.query, kms.meters, processName))
  return { status: 200, headers, body }
}

/** Refused authorisations have their own entry already. */
async function auditError(
  { kms }: RequestContext,
  o: {
    readonly error: RemoteError
    readonly request: ForeignRequest
    readonly caller: Caller | undefined
    readonly requestId: string
  },
): Promise<void> {
  const { error, request, caller, requestId } = o
  if (error.javaClass === 'authorization' || error.javaClass === 'authentication') return
  const message = `Method:'${request.method}' Exception:'${error.message}'`
  await kms.audit
    .record({
      status: 'ERROR',
      caller,
      peerAddress: request.peerAddress,
      message,
      requestId,
      ...(error.status >= 500 ? { outcome: 'unavailable' as const } : {}),
    })
    // The error is what the caller hears; that the audit fails is its own health line.
    .catch(() => undefined)
}

function countReply({ kms }: RequestContext, status: number): void {
  if (status === 401) kms.meters.mark('unauthenticated')
  else if (status !== 200 && status !== 201) kms.meters.mark('invalid')
}

/** Few and fixed: names are not for metrics. */
function routeOf({ method, path }: RequestParts): string {
  return `${method} ${matchPath(path)?.endpoint ?? (Object.hasOwn(pages, path) ? path : 'other')}`
}
