/**
 * What a Trustee Server asks of Key HSM: mTLS on 127.0.0.1:9090, JSON. Every request is bound to the realm of the caller's
 * certificate; the realm is never a field. A deposit that cannot be opened for whatever reason is ERR_IRRETRIEVABLE;
 * being unable to ask the HSM is ERR_HSM_UNAVAILABLE; another partition than the joined one is ERR_WRONG_PARTITION.
 */
import Type from 'typebox'
import {
  IdentityKeyField,
  maxContentBody,
  SealContextField,
  SealedField,
  TrusteesField,
} from './keyhsm-fields.js'
import { moveRoute, sealsRoute } from './keyhsm-move-api.js'
import { defineRoute } from './route.js'
import {
  Base64Field,
  FingerprintField,
  HsmKeyIdField,
  InstantField,
  KindField,
  NameField,
  NoFields,
  RequestIdField,
  ScopeField,
  UuidField,
  AuditHeadFields,
} from './schemas.js'

/** 32 hex digits. */
const DomainField = Type.String({ pattern: '^[0-9a-f]{32}$' })

/** 64 bytes in base64. */
const SignatureField = Type.String({ minLength: 88, maxLength: 88 })

/** A retrieval that trustees approved. */
export const ApprovalField = Type.Object(
  {
    request: UuidField,
    client: UuidField,
    clientKey: IdentityKeyField,
    clientSignature: SignatureField,
    expiresAt: InstantField,
    approvals: Type.Array(
      Type.Object(
        { key: IdentityKeyField, signature: SignatureField },
        { additionalProperties: false },
      ),
      { maxItems: 32 },
    ),
  },
  { additionalProperties: false },
)

export const sealRoute = defineRoute({
  method: 'POST',
  path: '/v1/seal',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      context: SealContextField,
      /** Absent: Key HSM's own setting. */
      scope: Type.Optional(ScopeField),
      /** Kind of the HSM key; absent: the setting of the backend that shows the canary. */
      kind: Type.Optional(KindField),
      content: Base64Field,
      canary: FingerprintField,
      /** Sealed into the header: so many of these keys must sign each retrieval. */
      trustees: Type.Optional(TrusteesField),
    },
    { additionalProperties: false },
  ),
  reply: SealedField,
  success: 200,
  maxBodyBytes: maxContentBody,
  deadlineMs: 30_000,
  summary: 'seal a deposit',
})

export const openRoute = defineRoute({
  method: 'POST',
  path: '/v1/open',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      context: SealContextField,
      sealed: Base64Field,
      canary: FingerprintField,
      /** What the trustees of the header have signed. @see docs/formats/approval.md */
      approval: Type.Optional(ApprovalField),
    },
    { additionalProperties: false },
  ),
  reply: Type.Object({ content: Base64Field }),
  success: 200,
  maxBodyBytes: maxContentBody,
  deadlineMs: 30_000,
  summary: 'open a sealed deposit',
})

export const revokeRoute = defineRoute({
  method: 'POST',
  path: '/v1/hsm-keys/revoke',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      requestId: RequestIdField,
      hsmKeyId: HsmKeyIdField,
      canary: FingerprintField,
      /**
       * `discard`: the deposit was certainly not stored; `prune`: an orphan; `purge`: the deposit it serves alone is to be
       * unreadable; `migrate`: the deposit it served alone was moved to another key; `revoke`: an administrator's order,
       * the only one that hits shared keys.
       */
      reason: Type.Union([
        Type.Literal('discard'),
        Type.Literal('prune'),
        Type.Literal('revoke'),
        Type.Literal('test'),
        Type.Literal('purge'),
        Type.Literal('migrate'),
      ]),
      /**
       * With `purge` and `migrate`, which rows of a database gave rise to: sealed bytes that open within Key HSM, for `purge`
       * under exactly this key, for `migrate` under another one.
       */
      proof: Type.Optional(
        Type.Object(
          { context: SealContextField, sealed: Base64Field, canary: FingerprintField },
          { additionalProperties: false },
        ),
      ),
    },
    { additionalProperties: false },
  ),
  reply: Type.Object({
    outcome: Type.Union([Type.Literal('destroyed'), Type.Literal('already-gone')]),
  }),
  success: 200,
  maxBodyBytes: maxContentBody,
  deadlineMs: 30_000,
  summary: 'make an HSM key of the caller’s realm unusable for ever',
})

export const HsmKeyField = Type.Object({
  id: HsmKeyIdField,
  label: Type.String(),
  kind: Type.String(),
  /** What the id proves: the purpose, and that the key belongs to the caller's realm. */
  purpose: Type.Union([
    Type.Literal('deposit'),
    Type.Literal('organisation'),
    Type.Literal('service'),
  ]),
  /** From the label; undefined when somebody renamed the key. */
  createdOn: Type.Optional(Type.String()),
})

export const listHsmKeysRoute = defineRoute({
  method: 'GET',
  path: '/v1/hsm-keys',
  access: 'service',
  params: NoFields,
  query: Type.Object(
    {
      after: Type.Optional(HsmKeyIdField),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      /** Names the backend; absent: the default one. */
      canary: Type.Optional(FingerprintField),
    },
    { additionalProperties: false },
  ),
  body: NoFields,
  reply: Type.Object({ keys: Type.Array(HsmKeyField), next: Type.Optional(HsmKeyIdField) }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 120_000,
  summary: 'list the HSM keys of the caller’s realm in the order of their ids',
})

const BackendStateField = Type.Union([
  Type.Literal('ready'),
  Type.Literal('unavailable'),
  Type.Literal('login-refused'),
])

/** One of the HSMs behind a Key HSM. */
const BackendField = Type.Object({
  /** For people: what is recorded is the canary and the domain. */
  name: NameField,
  /** New deposits go here unless a caller names another. */
  default: Type.Boolean(),
  /** Absent while Key HSM has not been able to connect since it started. */
  canary: Type.Optional(FingerprintField),
  /** Absent as above, where no set-up has recorded it either. */
  domain: Type.Optional(DomainField),
  state: BackendStateField,
  /** False for software that stands in for an HSM. */
  hardware: Type.Boolean(),
  profile: Type.String(),
  /** Empty while it is not connected. */
  device: Type.String(),
})

export const describeRoute = defineRoute({
  method: 'GET',
  path: '/v1/partition',
  access: 'service',
  params: NoFields,
  query: Type.Object(
    {
      /** SHA-256 fingerprints of the certificates that the caller accepts of this Key HSM, joined by commas. */
      pins: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}(,[0-9a-f]{64}){0,3}$' })),
      /** Name of the backend that is described; absent: the default one. */
      backend: Type.Optional(NameField),
    },
    { additionalProperties: false },
  ),
  body: NoFields,
  reply: Type.Object({
    realm: NameField,
    /** Recorded by the Trustee Server when it joins and sent with every call afterwards. */
    canary: FingerprintField,
    /** Logical id of the HSM key domain, equal on every node of the partition. */
    domain: DomainField,
    /** Name of the backend that is described. */
    backend: NameField,
    defaultBackend: Type.Boolean(),
    /** HSM keys in the partition, how many it may hold where that is known, and how many more Key HSM would make. */
    capacity: Type.Object({
      used: Type.Integer({ minimum: 0 }),
      limit: Type.Optional(Type.Integer({ minimum: 0 })),
      room: Type.Optional(Type.Integer({ minimum: 0 })),
    }),
    backends: Type.Array(BackendField),
    scope: ScopeField,
    kind: KindField,
    profile: Type.String(),
    device: Type.String(),
    durableKeys: Type.Boolean(),
    hardware: Type.Boolean(),
    state: BackendStateField,
    version: Type.String(),
    now: InstantField,
    /** The certificate that new connections are shown. */
    certificateFingerprint: Type.Optional(FingerprintField),
    /** PEM of the one that follows: to be accepted besides the present one from now on. */
    nextCertificate: Type.Optional(Type.String({ maxLength: 32_768 })),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 10_000,
  summary: 'say which partition and settings this Key HSM seals with',
})

export const exchangeHeadsRoute = defineRoute({
  method: 'POST',
  path: '/v1/audit-heads',
  access: 'service',
  params: NoFields,
  query: NoFields,
  body: Type.Object(AuditHeadFields, { additionalProperties: false }),
  reply: Type.Object(AuditHeadFields),
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 10_000,
  summary: 'record the head of the caller’s audit, and say this one’s',
})

export const keyHsmRoutes = [
  sealRoute,
  sealsRoute,
  openRoute,
  moveRoute,
  revokeRoute,
  listHsmKeysRoute,
  describeRoute,
  exchangeHeadsRoute,
] as const
