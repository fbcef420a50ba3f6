/**
 * What administrators ask of a running Trustee Server on its control socket; `ktadmin` is the only caller. Requests are
 * signed with the administrator's own key. The two routes without an identity stand at the end: they are served on the
 * clients' port, as the old product had them.
 */
import Type from 'typebox'
import { defineRoute, type RouteSpec } from './route.js'
import {
  FingerprintField,
  HandleField,
  HsmKeyIdField,
  InstantField,
  NameField,
  NoFields,
  RequestIdField,
  UuidField,
} from './schemas.js'
import { DepositField } from './trustee-api.js'

const maxAdminBody = 256 * 1024
const exact = { additionalProperties: false } as const

/** Body-less administrator GET, the shape most of the routes below share. */
const adminDefaults = {
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  success: 200,
  maxBodyBytes: maxAdminBody,
  deadlineMs: 30_000,
} as const

export const OrganisationField = Type.Object({
  uuid: UuidField,
  name: NameField,
  state: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
  /** False: clients enrol by approval only. The secret itself is shown once, when it is made. */
  hasAuthSecret: Type.Boolean(),
  contacts: Type.Array(Type.String()),
  createdAt: InstantField,
})

export const ClientField = Type.Object({
  uuid: UuidField,
  organisation: UuidField,
  organisationName: NameField,
  name: NameField,
  state: Type.Union([Type.Literal('waiting'), Type.Literal('active'), Type.Literal('disabled')]),
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS key. */
  keyFingerprint: FingerprintField,
  createdAt: InstantField,
})

export const addOrganisationRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations',
  body: Type.Object(
    {
      name: NameField,
      contacts: Type.Array(Type.String({ minLength: 1, maxLength: 254 }), { maxItems: 100 }),
    },
    exact,
  ),
  reply: Type.Object({
    organisation: OrganisationField,
    /** Shown this once; the server keeps only its scrypt hash. */
    auth: Type.String(),
  }),
  success: 201,
  summary: 'add an organisation and make its auth secret',
})

export const listOrganisationsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/organisations',
  reply: Type.Object({ organisations: Type.Array(OrganisationField) }),
  summary: 'list the organisations',
})

export const setAuthRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/auth',
  params: Type.Object({ name: NameField }, exact),
  body: Type.Object(
    {
      /** Absent: the server makes one and returns it. Empty: no secret, clients enrol by approval. */
      auth: Type.Optional(Type.String({ maxLength: 256 })),
    },
    exact,
  ),
  reply: Type.Object({ organisation: OrganisationField, auth: Type.Optional(Type.String()) }),
  summary: 'replace an organisation’s auth secret',
})

export const setOrganisationStateRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/state',
  params: Type.Object({ name: NameField }, exact),
  body: Type.Object(
    { state: Type.Union([Type.Literal('active'), Type.Literal('suspended')]) },
    exact,
  ),
  reply: Type.Object({ organisation: OrganisationField }),
  summary: 'suspend an organisation with all its clients, or lift that',
})

export const listClientsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/clients',
  query: Type.Object(
    {
      organisation: Type.Optional(NameField),
      state: Type.Optional(
        Type.Union([Type.Literal('waiting'), Type.Literal('active'), Type.Literal('disabled')]),
      ),
    },
    exact,
  ),
  reply: Type.Object({ clients: Type.Array(ClientField) }),
  summary: 'list clients',
})

export const setClientStateRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/clients/:ref/state',
  /** A client's uuid or the fingerprint of its key. */
  params: Type.Object({ ref: Type.String({ maxLength: 100 }) }, exact),
  body: Type.Object(
    {
      action: Type.Union([
        Type.Literal('approve'),
        Type.Literal('disable'),
        Type.Literal('enable'),
      ]),
    },
    exact,
  ),
  reply: Type.Object({ client: ClientField }),
  summary: 'approve, disable or enable a client; acts at once, on open connections too',
})

export const joinRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/keyhsm',
  body: Type.Object(
    {
      url: Type.String({ pattern: '^https://', maxLength: 512 }),
      /** PEM of the Key HSM's certificate, as the administrator accepted it. */
      serverCertificate: Type.String({ maxLength: 32_768 }),
      /** PEM pair this server shows to Key HSM. Absent: the pair made by `ktadmin init`. */
      clientCertificate: Type.Optional(Type.String({ maxLength: 32_768 })),
      clientKey: Type.Optional(Type.String({ maxLength: 32_768 })),
      passphrase: Type.Optional(Type.String({ maxLength: 1024 })),
    },
    exact,
  ),
  reply: Type.Object({
    url: Type.String(),
    realm: NameField,
    canary: FingerprintField,
    domain: Type.String(),
    device: Type.String(),
    profile: Type.String(),
    scope: Type.String(),
    kind: Type.String(),
    hardware: Type.Boolean(),
    durableKeys: Type.Boolean(),
    joinedAt: InstantField,
    /** True when the pair is the server's own HTTPS certificate, as the old product did it. */
    sharesServerCertificate: Type.Boolean(),
  }),
  deadlineMs: 120_000,
  summary: 'check the whole way to a Key HSM, then join it',
})

export const listAllDepositsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/deposits',
  query: Type.Object(
    {
      organisation: Type.Optional(NameField),
      owner: Type.Optional(UuidField),
      after: Type.Optional(HandleField),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  reply: Type.Object({
    deposits: Type.Array(DepositField),
    next: Type.Optional(HandleField),
  }),
  summary: 'list deposits of everybody, never their content',
})

/** One HSM key of this realm, with what needs it. */
export const HsmKeyUseField = Type.Object({
  id: HsmKeyIdField,
  label: Type.String(),
  kind: Type.String(),
  purpose: Type.String(),
  createdOn: Type.Optional(Type.String()),
  uses: Type.Array(
    Type.Object({ deposit: UuidField, handle: HandleField, revision: Type.Integer() }),
  ),
})

export const listHsmKeyUsesRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/hsm-keys',
  query: Type.Object(
    {
      after: Type.Optional(HsmKeyIdField),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
    },
    exact,
  ),
  reply: Type.Object({ keys: Type.Array(HsmKeyUseField), next: Type.Optional(HsmKeyIdField) }),
  deadlineMs: 120_000,
  summary: 'list this realm’s HSM keys and the deposits that need them',
})

export const revokeHsmKeyRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/hsm-keys/revoke',
  body: Type.Object(
    {
      requestId: RequestIdField,
      /** A label or an id; a label that several keys carry is refused. */
      key: Type.String({ minLength: 1, maxLength: 128 }),
    },
    exact,
  ),
  reply: Type.Object({
    key: HsmKeyUseField,
    outcome: Type.Union([Type.Literal('destroyed'), Type.Literal('already-gone')]),
  }),
  deadlineMs: 120_000,
  summary: 'make an HSM key unusable for ever, with the deposits sealed under it',
})

/**
 * An orphan report. `mac` is made by the server over the rest, so that a report handed back is one it wrote itself.
 * Only ids first reported at least the server's minimum age before `madeAt` may be destroyed.
 */
export const PruneReportField = Type.Object(
  {
    format: Type.Literal('keytrustee-prune-report-1'),
    realm: NameField,
    madeAt: InstantField,
    keys: Type.Array(
      Type.Object(
        { id: HsmKeyIdField, label: Type.String(), firstReportedAt: InstantField },
        exact,
      ),
    ),
    mac: FingerprintField,
  },
  exact,
)

const maxReportBody = 64 * 1024 * 1024

export const pruneReportRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/hsm-keys/prune-report',
  reply: Type.Object({
    report: PruneReportField,
    /** File on the server that holds the report. */
    file: Type.String(),
    /** How many of its keys are old enough to be destroyed with this report. */
    destroyable: Type.Integer(),
  }),
  deadlineMs: 300_000,
  summary: 'report HSM keys that no deposit and no pending put needs',
})

export const pruneConfirmRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/hsm-keys/prune',
  body: Type.Object({ report: PruneReportField }, exact),
  reply: Type.Object({
    destroyed: Type.Array(Type.Object({ id: HsmKeyIdField, label: Type.String() })),
    kept: Type.Array(
      Type.Object({ id: HsmKeyIdField, label: Type.String(), reason: Type.String() }),
    ),
  }),
  maxBodyBytes: maxReportBody,
  deadlineMs: 600_000,
  summary: 'destroy the HSM keys of a report, each checked again just before',
})

const PartHealth = Type.Object({
  healthy: Type.Boolean(),
  /** One line for the operator. */
  detail: Type.String(),
})

export const statusRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/status',
  reply: Type.Object({
    version: Type.String(),
    pid: Type.Integer(),
    address: Type.String(),
    /** SHA-256 of the server certificate: what `keytrustee register` shows at first contact. */
    serverFingerprint: FingerprintField,
    serverCertificateExpiresAt: InstantField,
    sealing: Type.Union([Type.Literal('hsm'), Type.Literal('pass-through'), Type.Literal('none')]),
    keyHsm: Type.Optional(
      Type.Object({ url: Type.String(), realm: NameField, joinedAt: InstantField }),
    ),
    healthy: Type.Boolean(),
    parts: Type.Object({ database: PartHealth, audit: PartHealth, keyHsm: PartHealth }),
    deposits: Type.Optional(Type.Integer()),
    pendingPuts: Type.Optional(Type.Integer()),
    auditHead: Type.Object({ sequence: Type.Integer(), hash: Type.String() }),
    auditPublicKey: Type.String(),
    startedAt: InstantField,
  }),
  summary: 'say how the server and everything it needs are doing',
})

/** Old product: `GET /?a=fingerprint` answers `EC256/<hex>`, the server key's type, bits and fingerprint. */
export const fingerprintRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/',
  access: 'anyone',
  query: Type.Object({ a: Type.Literal('fingerprint') }, exact),
  reply: Type.String(),
  maxBodyBytes: 0,
  deadlineMs: 5_000,
  summary: 'print type, size and fingerprint of the server key',
})

/** Old product: `GET /test_hsm`, for callers on the same host only. */
export const testHsmRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/test_hsm',
  access: 'anyone',
  reply: Type.String(),
  maxBodyBytes: 0,
  deadlineMs: 60_000,
  summary: 'make, open, check and remove a sample key in the HSM (same host only)',
})

export const trusteeAdminRoutes: readonly RouteSpec[] = [
  addOrganisationRoute,
  listOrganisationsRoute,
  setAuthRoute,
  setOrganisationStateRoute,
  listClientsRoute,
  setClientStateRoute,
  joinRoute,
  listAllDepositsRoute,
  listHsmKeyUsesRoute,
  revokeHsmKeyRoute,
  pruneReportRoute,
  pruneConfirmRoute,
  statusRoute,
]
