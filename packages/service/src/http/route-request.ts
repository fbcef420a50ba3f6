/** What a route's handler gets and may answer, and how a route record is tied to its handler. No framework in here. */
import type { Fingerprint, Uuid } from '@keyhsm/core'
import type { Access, BodyOf, ParamsOf, QueryOf, ReplyOf, RouteSpec } from '@keyhsm/protocol'

/** Who is calling. Services add what they know about the caller (realm, organisation, …) as further fields. */
export interface Identity {
  readonly kind: Exclude<Access, 'anyone'>
  readonly name: string
  /** SHA-256 of the caller's public key (SubjectPublicKeyInfo, DER). */
  readonly fingerprint: Fingerprint
  readonly [extra: string]: unknown
}

export interface RouteRequest<Spec> {
  readonly params: ParamsOf<Spec>
  readonly query: QueryOf<Spec>
  /** Checked against the schema; an absent body, and any GET or DELETE, is the empty object. */
  readonly body: BodyOf<Spec>
  readonly headers: Readonly<Record<string, string | undefined>>
  /** `body.requestId` where the caller gave one, else fresh. */
  readonly requestId: Uuid
  /** Always present unless the route's access is `anyone`. */
  readonly identity: Identity | undefined
  /** The peer's IP address as the socket tells it (may be IPv4-mapped), or `local` on a control socket. */
  readonly peerAddress: string
  /** Aborted when the route's deadline passes (reason ERR_BUSY) or the caller goes away (reason ERR_UNAVAILABLE). */
  readonly signal: AbortSignal
}

/** A route with the function that answers it. */
export interface BoundRoute {
  readonly spec: RouteSpec
  handle(request: RouteRequest<RouteSpec>): Promise<unknown>
}

/**
 * Ties a handler to its route. The handler returns the reply or throws; it never sees HTTP. Fields that the reply's schema
 * does not declare are not sent.
 */
export function bindRoute<Spec extends RouteSpec>(
  spec: Spec,
  handle: (request: RouteRequest<Spec>) => Promise<ReplyOf<Spec> | TextReply>,
): BoundRoute {
  return { spec, handle: (request) => handle(request) }
}

/** A reply that is not JSON: the old product's plain-text pages, metrics. */
export class TextReply {
  readonly text: string
  readonly status: number
  readonly mediaType: string

  constructor(text: string, status = 200, mediaType = 'text/plain; charset=utf-8') {
    this.text = text
    this.status = status
    this.mediaType = mediaType
  }
}
