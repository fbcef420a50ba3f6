/** One request from its headers to its answer: who asks, what is asked, who answers. */
import { newUuid } from '@keyhsm/core'
import type { ForeignReply, ForeignRequest, Metrics } from '@keyhsm/service'
import type { Answer, Kms } from '../api/call.js'
import { endpoints, type Method } from '../api/endpoints.js'
import { decodeName, type Match, matchPath } from '../api/match-path.js'
import { causeOf, RemoteError, toErrorReply, toRemoteError } from '../api/remote-error.js'
import type { Authenticator } from '../authentication/authenticator.js'
import type { Caller, ReplyHeaders } from '../authentication/caller.js'
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

/** A request with what is found out about it on its way. */
class Asked {
  readonly request: ForeignRequest
  readonly parts: RequestParts
  readonly match: Match | undefined
  readonly requestId = newUuid()
  caller: Caller | undefined
  /** What authentication wants on the reply. */
  headers: ReplyHeaders = {}

  constructor(request: ForeignRequest) {
    this.request = request
    this.parts = takeApart(request)
    this.match = matchPath(this.parts.path)
  }
}

export async function handleRequest(
  context: RequestContext,
  request: ForeignRequest,
): Promise<ForeignReply> {
  const startedAt = performance.now()
  const asked = new Asked(request)
  const reply = await answer(context, asked)
  countReply(context, reply.status)
  const seconds = (performance.now() - startedAt) / 1000
  context.metrics.observeRequest(routeOf(asked), reply.status, seconds)
  const now = context.kms.clock.now().getTime()
  const { status, reason, body } = reply
  return { status, reason, body, headers: join(commonHeaders(now), asked.headers, reply.headers) }
}

async function answer(context: RequestContext, asked: Asked): Promise<ForeignReply> {
  try {
    const authentication = await context.authenticator.authenticate(asked.parts)
    if ('reply' in authentication) return authentication.reply
    asked.caller = authentication.caller
    asked.headers = authentication.headers
    if (asked.request.method === 'OPTIONS') return { status: 200 }
    return await dispatch(context, asked, authentication.caller)
  } catch (thrown) {
    const error = toRemoteError(thrown)
    if (error.status >= 500) context.onFault(causeOf(thrown) ?? error, asked.requestId)
    await auditError(context, asked, error)
    return toErrorReply(error)
  }
}

async function dispatch(
  context: RequestContext,
  asked: Asked,
  caller: Caller,
): Promise<ForeignReply> {
  const { match, parts, request } = asked
  if (!match) {
    const page = pages[parts.path.replace(/\/$/, '')]
    if (page) return page(context, asked)
    throw new RemoteError(404, 'io', 'there is nothing at this path')
  }
  const methods = endpoints[match.endpoint]
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const endpoint = methods[method as Method]
  if (!endpoint) {
    const allow = Object.keys(methods).join(', ')
    throw new RemoteError(405, 'io', `the method must be ${allow}`, { headers: { allow } })
  }
  const { kms } = context
  const name = decodeName(match.encodedName, request.headers['user-agent'])
  const isReencrypt = endpoint.meter === 'decrypt_eek' && parts.query.get('eek_op') === 'reencrypt'
  kms.meters.mark(isReencrypt ? 'reencrypt_eek' : endpoint.meter)
  const groups = kms.acls().namesGroups ? await kms.groups.of(caller.user.short) : noGroups
  const { requestId } = asked
  const call = new RequestCall({ kms, groups, name, caller, parts, request, requestId })
  return toReply(await endpoint.run(call))
}

const noGroups: readonly string[] = []

/** Later ones win. Field by field: what is spread costs several times as much. */
function join(...all: readonly ForeignReply['headers'][]): NonNullable<ForeignReply['headers']> {
  const joined: Record<string, string | readonly string[]> = {}
  for (const headers of all)
    for (const name in headers) joined[name] = headers[name] as string | readonly string[]
  return joined
}

/** No body is an empty one of text, as the original sends it. */
function toReply({ status = 200, body, headers }: Answer): ForeignReply {
  if (body === undefined) return { status, headers: join(ofText, headers) }
  return { status, headers: join(ofJson, headers), body: JSON.stringify(body) }
}

const ofText = { 'content-type': 'text/plain;charset=utf-8' }
const ofJson = { 'content-type': 'application/json' }

/** What monitors read, for whoever is authenticated. */
const pages: Readonly<
  Record<string, (context: RequestContext, asked: Asked) => ForeignReply | Promise<ForeignReply>>
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

function jmxPage({ kms, processName }: RequestContext, { parts }: Asked): ForeignReply {
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
  { request, caller, requestId }: Asked,
  error: RemoteError,
): Promise<void> {
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
function routeOf({ parts: { method, path }, match }: Asked): string {
  return `${method} ${match?.endpoint ?? (Object.hasOwn(pages, path) ? path : 'other')}`
}
