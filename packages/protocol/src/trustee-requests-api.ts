/** What clients ask of the Trustee Server about each other and about retrievals that trustees must approve. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import {
  Base64Field,
  HandleField,
  InstantField,
  NameField,
  NoFields,
  UuidField,
} from './schemas.js'

const exact = { additionalProperties: false } as const
const clientRoute = {
  access: 'client',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  success: 200,
  maxBodyBytes: 16_384,
  deadlineMs: 10_000,
} as const

/** A client as others of its organisation see it. Its identity key vouches for its recipient. */
export const PeerField = Type.Object({
  uuid: UuidField,
  name: NameField,
  /** Ed25519 SPKI, base64. */
  identityKey: Type.String(),
  recipient: Type.String(),
  /** Base64; absent for clients that enrolled with an earlier release. */
  recipientSignature: Type.Optional(Type.String()),
})

export const findPeersRoute = defineRoute({
  ...clientRoute,
  method: 'GET',
  path: '/v1/peers/:name',
  /** Name or uuid of a client or a group of the caller's organisation. */
  params: Type.Object({ name: NameField }, exact),
  reply: Type.Object({
    /** The client, or the members of the group; only active ones. */
    clients: Type.Array(PeerField),
    group: Type.Optional(Type.Object({ uuid: UuidField, name: NameField })),
  }),
  summary: 'say who a client, or a group’s members, are: for sealing and for choosing trustees',
})

export const RetrievalRequestField = Type.Object({
  uuid: UuidField,
  organisation: UuidField,
  deposit: UuidField,
  handle: HandleField,
  revision: Type.Integer(),
  client: UuidField,
  clientName: NameField,
  /** Identity key of the client that asks: raw Ed25519, base64. */
  clientKey: Base64Field,
  /** Over the statement; absent until the client has signed. @see docs/formats/approval.md */
  clientSignature: Type.Optional(Base64Field),
  createdAt: InstantField,
  expiresAt: InstantField,
  state: Type.Union([
    Type.Literal('open'),
    Type.Literal('approved'),
    Type.Literal('denied'),
    Type.Literal('withdrawn'),
    Type.Literal('expired'),
    Type.Literal('used'),
  ]),
  required: Type.Integer(),
  verdicts: Type.Array(
    Type.Object({
      trustee: UuidField,
      trusteeName: NameField,
      verdict: Type.Union([Type.Literal('approve'), Type.Literal('deny')]),
      decidedAt: InstantField,
    }),
  ),
})

const RequestParams = Type.Object({ uuid: UuidField }, exact)

export const askRetrievalRoute = defineRoute({
  ...clientRoute,
  method: 'POST',
  path: '/v1/retrieval-requests',
  body: Type.Object({ ref: Type.String({ minLength: 1, maxLength: 128 }) }, exact),
  reply: RetrievalRequestField,
  success: 201,
  summary: 'ask for a deposit whose trustees must approve; the caller then signs the request',
})

export const signRequestRoute = defineRoute({
  ...clientRoute,
  method: 'PUT',
  path: '/v1/retrieval-requests/:uuid/signature',
  params: RequestParams,
  body: Type.Object({ signature: Base64Field }, exact),
  reply: RetrievalRequestField,
  summary: 'sign a request of one’s own: only then do trustees see it',
})

export const listRequestsRoute = defineRoute({
  ...clientRoute,
  method: 'GET',
  path: '/v1/retrieval-requests',
  query: Type.Object({ after: Type.Optional(UuidField) }, exact),
  reply: Type.Object({
    requests: Type.Array(RetrievalRequestField),
    /** Where to go on: `after` of the next call. A page may be short, or empty, and yet not the last. */
    next: Type.Optional(UuidField),
  }),
  summary: 'list the caller’s requests, and those it is a trustee of, that are not over',
})

export const readRequestRoute = defineRoute({
  ...clientRoute,
  method: 'GET',
  path: '/v1/retrieval-requests/:uuid',
  params: RequestParams,
  reply: RetrievalRequestField,
  summary: 'say how a request stands',
})

export const verdictRoute = defineRoute({
  ...clientRoute,
  method: 'PUT',
  path: '/v1/retrieval-requests/:uuid/verdict',
  params: RequestParams,
  body: Type.Object(
    {
      verdict: Type.Union([Type.Literal('approve'), Type.Literal('deny')]),
      /** The trustee's signature over the statement; with `approve` only. */
      signature: Type.Optional(Base64Field),
    },
    exact,
  ),
  reply: RetrievalRequestField,
  summary: 'approve or deny a retrieval as a trustee',
})

export const withdrawRoute = defineRoute({
  ...clientRoute,
  method: 'DELETE',
  path: '/v1/retrieval-requests/:uuid',
  params: RequestParams,
  reply: RetrievalRequestField,
  maxBodyBytes: 0,
  summary: 'withdraw one’s verdict, or one’s request, before it is used',
})

export const trusteeRequestRoutes = [
  findPeersRoute,
  askRetrievalRoute,
  signRequestRoute,
  listRequestsRoute,
  readRequestRoute,
  verdictRoute,
  withdrawRoute,
] as const
