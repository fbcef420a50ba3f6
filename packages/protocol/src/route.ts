/** A route as a record: no route can forget its limits or its access rule, and both sides import the same one. */
import type { Static, TSchema } from 'typebox'

/**
 * Who may call.
 * - `service`: a peer service whose certificate's public key is trusted (Key HSM's port)
 * - `client`: an enrolled, active client of an organisation
 * - `administrator`: an administrator, on the control socket only
 * - `anyone`: no identity; each such route stands with its reason in a test
 */
export type Access = 'service' | 'client' | 'administrator' | 'anyone'

export interface RouteSpec<
  Params extends TSchema = TSchema,
  Query extends TSchema = TSchema,
  Body extends TSchema = TSchema,
  Reply extends TSchema = TSchema,
> {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  /** `/v1/deposits/:ref`: `:name` segments are `Params`. */
  readonly path: string
  readonly access: Access
  readonly params: Params
  readonly query: Query
  /** Ignored for GET and DELETE. */
  readonly body: Body
  readonly reply: Reply
  /** Status of success: 200, or 201 where something was made. */
  readonly success: 200 | 201 | 202
  /** Another status of success, with the same reply. */
  readonly otherSuccess?: 202
  /** Absent: JSON. */
  readonly replyMedia?: 'application/json' | 'text/plain'
  /** Request headers that mean something to this route alone; for the reference, the handler checks them. */
  readonly headers?: TSchema
  readonly maxBodyBytes: number
  readonly deadlineMs: number
  /** One line for the generated reference. */
  readonly summary: string
}

export type ParamsOf<Spec> =
  Spec extends RouteSpec<infer P, TSchema, TSchema, TSchema> ? Static<P> : never
export type QueryOf<Spec> =
  Spec extends RouteSpec<TSchema, infer Q, TSchema, TSchema> ? Static<Q> : never
export type BodyOf<Spec> =
  Spec extends RouteSpec<TSchema, TSchema, infer B, TSchema> ? Static<B> : never
export type ReplyOf<Spec> =
  Spec extends RouteSpec<TSchema, TSchema, TSchema, infer R> ? Static<R> : never

/** Keeps the schema types of a literal route. */
export function defineRoute<
  P extends TSchema,
  Q extends TSchema,
  B extends TSchema,
  R extends TSchema,
>(spec: RouteSpec<P, Q, B, R>): RouteSpec<P, Q, B, R> {
  return spec
}
