/** What administrators ask of a running Trustee Server about its realm's HSM keys. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import {
  FingerprintField,
  HandleField,
  HsmKeyIdField,
  InstantField,
  NameField,
  RequestIdField,
  ScopeField,
  UuidField,
} from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'

/** Names of backends that cannot be asked now: their keys are not here. */
const unreachable = Type.Array(NameField)

/** One HSM key of this realm, with what needs it. */
export const HsmKeyUseField = Type.Object({
  id: HsmKeyIdField,
  label: Type.String(),
  kind: Type.String(),
  purpose: Type.String(),
  createdOn: Type.Optional(Type.String()),
  /** The HSM that holds it, by its name in Key HSM. */
  backend: NameField,
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
      /** Absent: all. */
      purpose: Type.Optional(ScopeField),
    },
    exact,
  ),
  reply: Type.Object({
    keys: Type.Array(HsmKeyUseField),
    unreachable,
    next: Type.Optional(HsmKeyIdField),
  }),
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
    unreachable,
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

export const trusteeHsmKeyRoutes = [
  listHsmKeyUsesRoute,
  revokeHsmKeyRoute,
  pruneReportRoute,
  pruneConfirmRoute,
] as const
