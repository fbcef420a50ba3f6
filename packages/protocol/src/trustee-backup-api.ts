/** What backups, drills and restores ask of a running Trustee Server on its control socket. */
import Type from 'typebox'
import { defineRoute, type RouteSpec } from './route.js'
import { FingerprintField, HsmKeyIdField, InstantField, UuidField } from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'

/** Operations that a command carries out itself and has the server write down. */
export const recordedOperations = ['backup', 'drill'] as const

export const recordRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/records',
  body: Type.Object(
    {
      requestId: UuidField,
      operation: Type.Enum([...recordedOperations]),
      event: Type.Enum(['intent', 'outcome']),
      /** With `outcome` only. */
      outcome: Type.Optional(Type.Enum(['done', 'refused', 'integrity', 'unavailable', 'unknown'])),
      reason: Type.Optional(Type.String({ maxLength: 100 })),
      subject: Type.Object(
        {
          file: Type.Optional(Type.String({ maxLength: 255 })),
          sha256: Type.Optional(FingerprintField),
          verified: Type.Optional(Type.Enum(['bytes', 'content'])),
          recipients: Type.Optional(Type.Integer()),
          rows: Type.Optional(Type.Integer()),
          canaries: Type.Optional(Type.Integer()),
          missing: Type.Optional(Type.Integer()),
        },
        exact,
      ),
    },
    exact,
  ),
  reply: Type.Object({ auditHead: Type.Object({ sequence: Type.Integer(), hash: Type.String() }) }),
  summary: 'write down in the audit that a backup or a drill begins or has ended',
})

export const hsmBackupRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/hsm-backup',
  body: Type.Object({ requestId: UuidField, at: InstantField }, exact),
  reply: Type.Object({
    at: InstantField,
    /** Revisions sealed under HSM keys after it: they are not in that backup of the HSM. */
    newerRevisions: Type.Integer(),
  }),
  summary: 'note that the HSM was backed up',
})

/** Figures of `status` about the last backup of the HSM. */
export const HsmBackupField = Type.Object({
  at: InstantField,
  reportedBy: Type.String(),
  newerRevisions: Type.Optional(Type.Integer()),
})

export const missingHsmKeysRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/hsm-keys/missing',
  reply: Type.Object({
    /** HSM keys that deposits need. */
    needed: Type.Integer(),
    missing: Type.Integer(),
    /** The first thousand, each with at most twenty of its deposits. */
    keys: Type.Array(
      Type.Object({
        id: HsmKeyIdField,
        uses: Type.Array(
          Type.Object({ deposit: UuidField, handle: Type.String(), revision: Type.Integer() }),
        ),
      }),
    ),
  }),
  deadlineMs: 120_000,
  summary: 'list the deposits whose HSM key is not in the HSM',
})

const HeldField = Type.Object({
  kind: Type.Enum(['client', 'deposit']),
  uuid: UuidField,
  /** Client's name or deposit's handle. */
  name: Type.String(),
})

export const listHoldsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/holds',
  reply: Type.Object({ clients: Type.Array(HeldField), deposits: Type.Array(HeldField) }),
  summary: 'list what is held since a restore',
})

export const releaseHoldsRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/holds/release',
  body: Type.Object(
    {
      requestId: UuidField,
      /** Of clients and deposits; absent with `all`. */
      uuids: Type.Optional(Type.Array(UuidField, { maxItems: 5000 })),
      all: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  reply: Type.Object({ released: Type.Integer() }),
  summary: 'serve again what is held since a restore',
})

/** Routes of the control socket. */
export const trusteeBackupRoutes: readonly RouteSpec[] = [
  recordRoute,
  hsmBackupRoute,
  missingHsmKeysRoute,
  listHoldsRoute,
  releaseHoldsRoute,
]
