/**
 * What administrators ask of a running Trustee Server on its control socket; `ktadmin` is the only caller. Requests are
 * signed with the administrator's own key. The two routes without an identity stand at the end: they are served on the
 * clients' port, as the old product had them.
 */
import Type, { type Static } from 'typebox'
import { LogLevelField, logLevelRoute } from './log-level-api.js'
import { localReloadRoute } from './reload-api.js'
import { defineRoute, type RouteSpec } from './route.js'
import {
  FingerprintField,
  HandleField,
  HsmKeyIdField,
  InstantField,
  NameField,
  UuidField,
} from './schemas.js'
import { successionsRoute } from './succession.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'
import { DepositField, PurgedField } from './trustee-api.js'
import { HsmBackupField, trusteeBackupRoutes } from './trustee-backup-api.js'
import { trusteeHsmKeyRoutes } from './trustee-hsm-keys-api.js'
import { joinRoute, leaveRoute, planJoinRoute } from './trustee-join-api.js'
import { trusteeMigrationRoutes } from './trustee-migrations-api.js'
import { admitNodeRoute, InstallationField, trusteeNodeRoutes } from './trustee-nodes-api.js'
import { trusteeOrganisationRoutes } from './trustee-organisations-api.js'
import { DepositRef, trusteePolicyRoutes } from './trustee-policies-api.js'

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

export const undeleteAnyDepositRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/deposits/:ref/undelete',
  params: DepositRef,
  reply: DepositField,
  summary: 'undo the removal of anybody’s deposit within its window',
})

export const purgeAnyDepositRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/deposits/:ref/purge',
  params: DepositRef,
  body: Type.Object(
    {
      /** Ends it also where stored bytes do not show that an HSM key is the deposit's own: such keys stay. */
      leaveKeys: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  reply: PurgedField,
  deadlineMs: 60_000,
  summary: 'make anybody’s deposit unreadable for ever',
})

export const listRevocationsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/revocations',
  query: Type.Object(
    {
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
      /** The deposit after whose purge to go on. */
      after: Type.Optional(UuidField),
    },
    exact,
  ),
  reply: Type.Object({
    revocations: Type.Array(
      Type.Object({
        deposit: UuidField,
        organisation: UuidField,
        handle: HandleField,
        hsmKeyIds: Type.Array(HsmKeyIdField),
        sharedRevisions: Type.Integer(),
        orderedBy: Type.String(),
        orderedAt: InstantField,
        /** Absent: the HSM could not be asked yet. */
        doneAt: Type.Optional(InstantField),
      }),
    ),
    next: Type.Optional(UuidField),
  }),
  summary: 'list the purges of deposits, newest first',
})

const PartHealth = Type.Object({
  healthy: Type.Boolean(),
  /** One line for the operator. */
  detail: Type.String(),
})

/** A certificate of the server, or one that it relies on. */
export const CertificateField = Type.Object({
  role: Type.Union([
    Type.Literal('server'),
    Type.Literal('client-authority'),
    Type.Literal('previous-client-authority'),
    Type.Literal('shown-to-key-hsm'),
    /** Shown as soon as Key HSM trusts it. */
    Type.Literal('next-shown-to-key-hsm'),
    Type.Literal('key-hsm'),
  ]),
  subject: Type.String(),
  /** Names and addresses that it holds; empty where it names none. */
  names: Type.Array(Type.String()),
  expiresAt: InstantField,
  daysLeft: Type.Integer(),
  fingerprint: FingerprintField,
})

export type CertificateRow = Static<typeof CertificateField>

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
    certificates: Type.Array(CertificateField),
    sealing: Type.Union([Type.Literal('hsm'), Type.Literal('pass-through'), Type.Literal('none')]),
    keyHsm: Type.Optional(
      Type.Object({ url: Type.String(), realm: NameField, joinedAt: InstantField }),
    ),
    healthy: Type.Boolean(),
    parts: Type.Object({ database: PartHealth, audit: PartHealth, keyHsm: PartHealth }),
    deposits: Type.Optional(Type.Integer()),
    pendingPuts: Type.Optional(Type.Integer()),
    /** Absent with the private database. */
    installation: Type.Optional(InstallationField),
    /** What somebody must look after before it becomes an outage; one line each, with the command that cures it. */
    warnings: Type.Array(Type.String()),
    /** Figures of the database; absent while it cannot be asked. */
    waiting: Type.Optional(
      Type.Object({ clients: Type.Integer(), approvals: Type.Integer(), purges: Type.Integer() }),
    ),
    quotas: Type.Optional(
      Type.Array(
        Type.Object({ organisation: NameField, deposits: Type.Integer(), most: Type.Integer() }),
      ),
    ),
    /** Under way, in one line. */
    migration: Type.Optional(Type.String()),
    /** Rotation by itself; absent where none is set. */
    resealSchedule: Type.Optional(
      Type.Object({
        olderThanDays: Type.Integer({ minimum: 1 }),
        /** Absent before the first look. */
        lookedAt: Type.Optional(InstantField),
        /** Revisions that were old enough then. */
        due: Type.Integer({ minimum: 0 }),
      }),
    ),
    auditHead: Type.Object({ sequence: Type.Integer(), hash: Type.String() }),
    auditPublicKey: Type.String(),
    startedAt: InstantField,
    log: LogLevelField,
    /** Absent before the first `ktadmin hsm-backup-done`. */
    hsmBackup: Type.Optional(HsmBackupField),
    /** What a restore left held: absent when it is nothing. */
    held: Type.Optional(Type.Object({ clients: Type.Integer(), deposits: Type.Integer() })),
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
  replyMedia: 'text/plain',
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
  replyMedia: 'text/plain',
  maxBodyBytes: 0,
  deadlineMs: 60_000,
  summary: 'make, open, check and remove a sample key in the HSM (same host only)',
})

/** What the clients' port offers, as OpenAPI 3.1. */
export const openApiRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/openapi.json',
  access: 'anyone',
  reply: Type.Unknown(),
  maxBodyBytes: 0,
  deadlineMs: 5_000,
  summary: 'describe the routes of this port as OpenAPI 3.1',
})

/** Served on the clients' port without an identity, beside enrolment. */
export const trusteePages: readonly RouteSpec[] = [
  fingerprintRoute,
  testHsmRoute,
  openApiRoute,
  admitNodeRoute,
  successionsRoute,
]

/** Every route of the control socket. */
export const trusteeAdminRoutes: readonly RouteSpec[] = [
  ...trusteeOrganisationRoutes,
  planJoinRoute,
  joinRoute,
  leaveRoute,
  listAllDepositsRoute,
  undeleteAnyDepositRoute,
  purgeAnyDepositRoute,
  listRevocationsRoute,
  ...trusteeHsmKeyRoutes,
  ...trusteePolicyRoutes,
  ...trusteeBackupRoutes,
  ...trusteeMigrationRoutes,
  ...trusteeNodeRoutes,
  statusRoute,
  logLevelRoute,
  localReloadRoute,
]
