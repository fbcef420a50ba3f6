/** What clients ask of the Trustee Server: HTTPS on :11371, JSON; identity is the client's certificate. */
import Type from 'typebox'
import { PolicySchema, TrusteesSchema } from './policy.js'
import { defineRoute } from './route.js'
import { trusteeRequestRoutes } from './trustee-requests-api.js'
import {
  AuditHeadFields,
  Base64Field,
  FingerprintField,
  HandleField,
  InstantField,
  NameField,
  NoFields,
  PutHeaders,
  RecipientField,
  RequestIdField,
  ScopeField,
  UuidField,
} from './schemas.js'

const maxContentBody = 24 * 1024 * 1024
/** Certificate requests, keys and names. */
const maxEnrolmentBody = 16 * 1024

export const DepositField = Type.Object({
  uuid: UuidField,
  handle: HandleField,
  organisation: UuidField,
  owner: UuidField,
  /** `purging` and `purged` are for ever. */
  state: Type.Union([
    Type.Literal('active'),
    Type.Literal('disabled'),
    Type.Literal('purging'),
    Type.Literal('purged'),
  ]),
  /** Newest revision, counted from 1. */
  revision: Type.Integer(),
  /** Uuid of that revision: an earlier revision stays retrievable by its own. */
  revisionUuid: UuidField,
  contentBytes: Type.Integer(),
  sealing: Type.Union([Type.Literal('hsm'), Type.Literal('pass-through')]),
  createdAt: InstantField,
  updatedAt: InstantField,
  policy: Type.Optional(PolicySchema),
  /** So many of these clients must approve each retrieval. */
  trustees: Type.Optional(
    Type.Object({ required: Type.Integer(), clients: Type.Array(UuidField) }),
  ),
  /** Only when disabled: until then the removal can be undone. */
  undeleteUntil: Type.Optional(InstantField),
})

/** `If-None-Match: *` and `If-Match: "<revision>"` of HTTP (RFC 9110 §13) for one deposit of a batch. */
const PutConditions = {
  ifNoneMatch: Type.Optional(Type.Literal('*')),
  ifMatch: Type.Optional(Type.Integer({ minimum: 1 })),
}

export const enrolRoute = defineRoute({
  method: 'POST',
  path: '/v1/enrolments',
  access: 'anyone',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      /** Its name, or its uuid, which survives a renaming. */
      organisation: NameField,
      /** The organisation's auth secret; absent asks for approval by an administrator. */
      auth: Type.Optional(Type.String({ maxLength: 256 })),
      /** One-time code with which a client that lost its keys comes back with new ones. */
      code: Type.Optional(Type.String({ maxLength: 256 })),
      clientName: NameField,
      /** PKCS#10, PEM. Only its public key and its signature (proof of possession) are used. */
      certificateRequest: Type.String({ maxLength: 8192 }),
      /** Ed25519 public key (SPKI, base64) that signs what this client writes. */
      identityKey: Type.String({ maxLength: 256 }),
      /** age recipient (public) under which content for this client is sealed. */
      recipient: Type.String({ maxLength: 4096 }),
      /** By which the identity key vouches for the recipient. @see docs/formats/approval.md */
      recipientSignature: Type.Optional(Type.String({ maxLength: 128 })),
    },
    { additionalProperties: false },
  ),
  reply: Type.Object({
    client: UuidField,
    organisation: UuidField,
    /** `waiting`: ask again with the same key after an administrator approved. */
    state: Type.Union([Type.Literal('active'), Type.Literal('waiting')]),
    /** PEM; only when active. */
    certificate: Type.Optional(Type.String()),
    /** PEM of the CA that signed it. */
    authority: Type.String(),
    /** The organisation's recovery recipient. The server only announces it: clients seal for one that they pinned. */
    recovery: Type.Optional(RecipientField),
  }),
  success: 201,
  maxBodyBytes: maxEnrolmentBody,
  deadlineMs: 10_000,
  summary: 'enrol a client in an organisation',
})

export const selfRoute = defineRoute({
  method: 'GET',
  path: '/v1/self',
  access: 'client',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    client: UuidField,
    clientName: NameField,
    organisation: UuidField,
    organisationName: NameField,
    deposits: Type.Integer(),
    sealing: Type.Union([Type.Literal('hsm'), Type.Literal('pass-through'), Type.Literal('none')]),
    certificateExpiresAt: InstantField,
    /** As the server announces it. */
    recovery: Type.Optional(RecipientField),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 5_000,
  summary: 'say who the caller is',
})

/** A client that keeps an audit of its own (the KMS) has its head recorded; it learns nothing of this one's. */
export const recordHeadRoute = defineRoute({
  method: 'POST',
  path: '/v1/audit-heads',
  access: 'client',
  params: NoFields,
  query: NoFields,
  body: Type.Object(AuditHeadFields, { additionalProperties: false }),
  reply: NoFields,
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 10_000,
  summary: 'record the head of the caller’s own audit in the audit of this server',
})

export const putDepositRoute = defineRoute({
  method: 'PUT',
  path: '/v1/deposits/:handle',
  access: 'client',
  params: Type.Object({ handle: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  headers: PutHeaders,
  body: Type.Object(
    {
      requestId: RequestIdField,
      content: Base64Field,
      scope: Type.Optional(ScopeField),
      /** Absent: what was laid down before stays. */
      policy: Type.Optional(PolicySchema),
      /** Absent: those before stay. */
      trustees: Type.Optional(TrusteesSchema),
    },
    { additionalProperties: false },
  ),
  reply: DepositField,
  success: 201,
  maxBodyBytes: maxContentBody,
  deadlineMs: 45_000,
  summary: 'deposit content under a handle',
})

export const putBatchRoute = defineRoute({
  method: 'POST',
  path: '/v1/deposit-batches',
  access: 'client',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      puts: Type.Array(
        Type.Object(
          {
            handle: HandleField,
            content: Base64Field,
            scope: Type.Optional(ScopeField),
            policy: Type.Optional(PolicySchema),
            trustees: Type.Optional(TrusteesSchema),
            ...PutConditions,
          },
          { additionalProperties: false },
        ),
        { maxItems: 100 },
      ),
      removes: Type.Optional(Type.Array(HandleField, { maxItems: 100 })),
    },
    { additionalProperties: false },
  ),
  reply: Type.Object({ deposits: Type.Array(DepositField), removed: Type.Array(DepositField) }),
  success: 201,
  maxBodyBytes: maxContentBody,
  deadlineMs: 60_000,
  summary: 'put and remove several deposits, all or nothing',
})

export const getDepositRoute = defineRoute({
  method: 'GET',
  path: '/v1/deposits/:ref',
  access: 'client',
  /** A handle, a deposit's uuid (newest revision) or a revision's uuid. */
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: Type.Object(
    {
      /** A request of the caller's that trustees approved; used up by this. */
      request: Type.Optional(UuidField),
    },
    { additionalProperties: false },
  ),
  body: NoFields,
  reply: Type.Object({
    deposit: DepositField,
    /** The revision returned: the newest unless `ref` named another. */
    revision: Type.Integer(),
    content: Base64Field,
    /** Read where no primary was reached: it may be as old as the server's max-staleness. */
    standby: Type.Optional(Type.Literal(true)),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 45_000,
  summary: 'retrieve a deposit',
})

export const describeDepositRoute = defineRoute({
  method: 'GET',
  path: '/v1/deposits/:ref/description',
  access: 'client',
  /** A handle or the deposit's uuid. */
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  body: NoFields,
  reply: DepositField,
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 10_000,
  summary: 'describe one of the caller’s deposits, without its content',
})

export const listDepositsRoute = defineRoute({
  method: 'GET',
  path: '/v1/deposits',
  access: 'client',
  params: NoFields,
  query: Type.Object(
    {
      after: Type.Optional(HandleField),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    { additionalProperties: false },
  ),
  body: NoFields,
  reply: Type.Object({ deposits: Type.Array(DepositField), next: Type.Optional(HandleField) }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 10_000,
  summary: 'list the caller’s deposits in the order of their handles',
})

export const removeDepositRoute = defineRoute({
  method: 'DELETE',
  path: '/v1/deposits/:ref',
  access: 'client',
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  body: NoFields,
  reply: DepositField,
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 10_000,
  summary: 'remove a deposit; it can be undone until `undeleteUntil`',
})

export const undeleteDepositRoute = defineRoute({
  method: 'POST',
  path: '/v1/deposits/:ref/undelete',
  access: 'client',
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  body: NoFields,
  reply: DepositField,
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 10_000,
  summary: 'undo the removal of a deposit, until `undeleteUntil`',
})

export const setPolicyRoute = defineRoute({
  method: 'PUT',
  path: '/v1/deposits/:ref/policy',
  access: 'client',
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  body: PolicySchema,
  reply: DepositField,
  success: 200,
  maxBodyBytes: 65_536,
  deadlineMs: 10_000,
  summary: 'lay down when and by whom the caller’s deposit may be retrieved',
})

/** What became of a purge. `refusedKeys` stay: the stored bytes do not show that they are this deposit's own. */
export const PurgedField = Type.Object({
  /** `purged`; or `purging` with status 202: unreadable already, its HSM keys are revoked as soon as the HSM answers. */
  deposit: DepositField,
  revokedKeys: Type.Integer(),
  refusedKeys: Type.Optional(Type.Integer()),
  /** Revisions whose HSM key other deposits share, or that have none: older backups of the database still open. */
  sharedRevisions: Type.Integer(),
})

export const purgeDepositRoute = defineRoute({
  method: 'POST',
  path: '/v1/deposits/:ref/purge',
  access: 'client',
  params: Type.Object({ ref: Type.String() }, { additionalProperties: false }),
  query: NoFields,
  body: NoFields,
  reply: PurgedField,
  success: 200,
  otherSuccess: 202,
  maxBodyBytes: 4096,
  deadlineMs: 60_000,
  summary: 'make a deposit, all its revisions, unreadable for ever and free its handle',
})

export const trusteeRoutes = [
  enrolRoute,
  selfRoute,
  putDepositRoute,
  putBatchRoute,
  getDepositRoute,
  describeDepositRoute,
  listDepositsRoute,
  removeDepositRoute,
  undeleteDepositRoute,
  purgeDepositRoute,
  setPolicyRoute,
  recordHeadRoute,
  ...trusteeRequestRoutes,
] as const

/** Fingerprints shown at first contact are SHA-256 over the certificate's DER. */
export const CertificateFingerprintField = FingerprintField
