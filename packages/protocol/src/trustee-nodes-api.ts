/** Further servers of an installation: how they are admitted, and what `status` says of all of them. */
import Type from 'typebox'
import { defineRoute, type RouteSpec } from './route.js'
import { Base64Field, FingerprintField, InstantField, UuidField } from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'

/** The installation as one server sees it. */
export const InstallationField = Type.Object({
  mode: Type.Enum(['writer', 'reader', 'none']),
  detail: Type.String(),
  /** Every commit is on two machines before it is acknowledged. */
  noLoss: Type.Boolean(),
  /** Highest timeline of the database seen. */
  timeline: Type.Optional(Type.Integer()),
  databases: Type.Array(
    Type.Object({
      place: Type.String(),
      role: Type.Enum(['primary', 'standby', 'unreachable']),
      timeline: Type.Optional(Type.Integer()),
      /** How old what it shows may be. */
      ageMs: Type.Optional(Type.Integer()),
      synchronous: Type.Optional(Type.Boolean()),
      fault: Type.Optional(Type.String()),
    }),
  ),
  nodes: Type.Array(
    Type.Object({
      node: UuidField,
      name: Type.String(),
      url: Type.String(),
      serverFingerprint: FingerprintField,
      version: Type.String(),
      /** Since it last wrote to the database. */
      ageMs: Type.Integer(),
      /** The server that was asked. */
      self: Type.Boolean(),
      /** How its Key HSM was when that last changed; absent where it does not say. */
      keyHsm: Type.Optional(Type.Object({ healthy: Type.Boolean(), detail: Type.String() })),
    }),
  ),
})

export const joinTokenRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/join-tokens',
  body: Type.Object(
    {
      requestId: UuidField,
      /** How long it may be used, once. */
      validMs: Type.Integer({ minimum: 60_000, maximum: 7 * 86_400_000 }),
    },
    exact,
  ),
  /** The token is shown once and kept as a hash. */
  reply: Type.Object({ token: Type.String(), expiresAt: InstantField }),
  summary: 'make a one-time token with which a further server joins this installation',
})

export const removeNodeRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/nodes/:node/removal',
  params: Type.Object({ node: UuidField }, exact),
  body: Type.Object({ requestId: UuidField }, exact),
  reply: Type.Object({
    node: UuidField,
    name: Type.String(),
    url: Type.String(),
    serverFingerprint: FingerprintField,
  }),
  summary: 'take a server that is lost out of the installation: it serves nothing any more',
})

export const admitNodeRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/nodes',
  access: 'anyone',
  body: Type.Object(
    {
      requestId: UuidField,
      token: UuidField,
      secret: Type.String({ minLength: 43, maxLength: 43 }),
      /** Name of the new server, for the audit. */
      name: Type.String({ minLength: 1, maxLength: 253 }),
      /** age recipient, whose identity exists for this one reply. */
      recipient: Type.String({ maxLength: 4096 }),
    },
    exact,
  ),
  /** What a further server needs, encrypted to the recipient. */
  reply: Type.Object({ bundle: Base64Field }),
  maxBodyBytes: 16 * 1024,
  summary: 'admit a further server of the installation with its one-time token',
})

export const renewAuthorityRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/client-authority',
  body: Type.Object({ requestId: UuidField }, exact),
  reply: Type.Object({ fingerprint: FingerprintField }),
  deadlineMs: 60_000,
  summary: 'have every server of the installation sign certificates of clients by a new authority',
})

export const forgetAuthorityRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/client-authority/forgotten',
  body: Type.Object({ requestId: UuidField, fingerprint: FingerprintField }, exact),
  reply: Type.Object({ fingerprint: FingerprintField }),
  summary: 'admit certificates of an earlier authority no longer, on no server',
})

export const trusteeNodeRoutes: readonly RouteSpec[] = [
  joinTokenRoute,
  removeNodeRoute,
  renewAuthorityRoute,
  forgetAuthorityRoute,
]
