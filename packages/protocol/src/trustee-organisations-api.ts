/** What administrators ask of a running Trustee Server about organisations and their clients. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import { FingerprintField, InstantField, NameField, RecipientField, UuidField } from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'

/** A year, in ms. */
const maxDurationMs = 366 * 86_400_000
const DurationField = Type.Integer({ minimum: 1000, maximum: maxDurationMs })

export const OrganisationField = Type.Object({
  uuid: UuidField,
  name: NameField,
  state: Type.Union([Type.Literal('active'), Type.Literal('suspended')]),
  /** The secret itself is shown once, when it is made. `open`: anybody who reaches the server is a client at once. */
  enrolment: Type.Union([Type.Literal('secret'), Type.Literal('open'), Type.Literal('approval')]),
  /** From then on by approval only. */
  authExpiresAt: Type.Optional(InstantField),
  /** Enrolments that are left until it is by approval only. */
  authUsesLeft: Type.Optional(Type.Integer({ minimum: 0 })),
  /** age recipient for which clients that pinned it seal besides. */
  recovery: Type.Optional(RecipientField),
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
  /** SHA-256 of the raw identity key: what others pin. */
  identityFingerprint: FingerprintField,
  /** Until then it may come with new keys. */
  reenrolmentUntil: Type.Optional(InstantField),
  createdAt: InstantField,
})

const OrganisationParams = Type.Object({ name: NameField }, exact)
/** A client's uuid or the fingerprint of its key. */
const ClientParams = Type.Object({ ref: Type.String({ maxLength: 100 }) }, exact)
const LimitField = Type.Integer({ minimum: 1, maximum: 1000 })

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
  query: Type.Object({ after: Type.Optional(NameField), limit: Type.Optional(LimitField) }, exact),
  reply: Type.Object({
    organisations: Type.Array(OrganisationField),
    next: Type.Optional(NameField),
  }),
  summary: 'list the organisations in the order of their names',
})

export const setAuthRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/auth',
  params: OrganisationParams,
  body: Type.Object(
    {
      /** Absent: the server makes one and returns it. Empty: no secret, clients enrol by approval. */
      auth: Type.Optional(Type.String({ maxLength: 256 })),
      /** No secret and no approval: every client that asks is active at once. */
      open: Type.Optional(Type.Boolean()),
      expiresInMs: Type.Optional(DurationField),
      uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    },
    exact,
  ),
  reply: Type.Object({ organisation: OrganisationField, auth: Type.Optional(Type.String()) }),
  summary: 'replace the way clients of an organisation enrol, and its limits',
})

export const setOrganisationStateRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/state',
  params: OrganisationParams,
  body: Type.Object(
    { state: Type.Union([Type.Literal('active'), Type.Literal('suspended')]) },
    exact,
  ),
  reply: Type.Object({ organisation: OrganisationField }),
  summary: 'suspend an organisation with all its clients, or lift that',
})

export const renameOrganisationRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/name',
  params: OrganisationParams,
  body: Type.Object({ newName: NameField }, exact),
  reply: Type.Object({ organisation: OrganisationField }),
  summary: 'give an organisation another name; its clients and deposits notice nothing',
})

export const setRecoveryRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/organisations/:name/recovery',
  params: OrganisationParams,
  /** Absent: none any more. */
  body: Type.Object({ recipient: Type.Optional(RecipientField) }, exact),
  reply: Type.Object({ organisation: OrganisationField }),
  summary: 'name the offline recipient for which clients seal besides',
})

export const deleteOrganisationRoute = defineRoute({
  ...adminDefaults,
  method: 'DELETE',
  path: '/v1/admin/organisations/:name',
  params: OrganisationParams,
  reply: Type.Object({ organisation: OrganisationField }),
  summary: 'delete an organisation without deposits and without clients that are not disabled',
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
      /** The client after which to go on. */
      after: Type.Optional(UuidField),
      limit: Type.Optional(LimitField),
    },
    exact,
  ),
  reply: Type.Object({ clients: Type.Array(ClientField), next: Type.Optional(UuidField) }),
  summary: 'list clients, those of one organisation in the order of their names',
})

export const setClientStateRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/clients/:ref/state',
  params: ClientParams,
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

export const reenrolRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/clients/:ref/reenrolment',
  params: ClientParams,
  body: Type.Object({ expiresInMs: Type.Optional(DurationField) }, exact),
  reply: Type.Object({
    client: ClientField,
    /** Fits this client alone, once; shown this once. */
    code: Type.String(),
    expiresAt: InstantField,
  }),
  summary: 'end the keys of a client at once and let it come back with new ones',
})

export const trusteeOrganisationRoutes = [
  addOrganisationRoute,
  listOrganisationsRoute,
  setAuthRoute,
  setOrganisationStateRoute,
  renameOrganisationRoute,
  setRecoveryRoute,
  deleteOrganisationRoute,
  listClientsRoute,
  setClientStateRoute,
  reenrolRoute,
] as const
