/** What authentication reads of a request, taken apart once. Everything stands in headers and query, never in a body. */
import type { ForeignRequest } from '@keyhsm/service'
import { findCookie } from './signed-cookie.js'

export interface RequestParts {
  readonly method: string
  /** Header `Host`, as it came. */
  readonly host: string | undefined
  /** Raw path, still percent-encoded, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Value of our cookie without quotes; undefined when there is none. */
  readonly cookie: string | undefined
  readonly authorization: string | undefined
  /** Header `X-Hadoop-Delegation-Token`, else the query's `delegation`. */
  readonly token: string | undefined
  /** Whom the caller wants to act for. The parameter's name is matched in any case. */
  readonly doAs: string | undefined
  readonly peerAddress: string
  readonly secure: boolean
}

const noQuery = new URLSearchParams()

export function takeApart(request: ForeignRequest): RequestParts {
  const { method, target, headers, peerAddress, secure } = request
  const at = target.indexOf('?')
  const query = at < 0 ? noQuery : new URLSearchParams(target.slice(at + 1))
  const header = headers['x-hadoop-delegation-token']
  return {
    method,
    host: headers.host,
    path: at < 0 ? target : target.slice(0, at),
    query,
    cookie: findCookie(headers.cookie),
    authorization: headers.authorization,
    token:
      (typeof header === 'string' ? header : undefined) ?? query.get('delegation') ?? undefined,
    doAs: findDoAs(query),
    peerAddress,
    secure,
  }
}

const hostPattern = /^[\w.:[\]-]{1,260}$/

/** The address that was asked for, as Hadoop's audit has it, but without the query, where tokens stand. */
export function addressOf({ secure, host, path }: RequestParts): string {
  if (host === undefined || !hostPattern.test(host)) return path
  return `${secure ? 'https' : 'http'}://${host}${path}`
}

function findDoAs(query: URLSearchParams): string | undefined {
  for (const [name, value] of query) if (name.toLowerCase() === 'doas') return value || undefined
  return undefined
}
