/** What administrators ask of a running Trustee Server about moving deposits into, between and out of HSMs. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import {
  InstantField,
  KindField,
  NameField,
  RequestIdField,
  ScopeField,
  UuidField,
} from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'

const count = Type.Integer({ minimum: 0 })

/** What is wished for: at least another place, a scope or a kind, or `reseal`. */
export const MigrationWishField = {
  /** A backend of Key HSM, or `pass-through`. Absent: everything that is sealed. */
  from: Type.Optional(NameField),
  /** Absent: where new deposits go now. */
  to: Type.Optional(NameField),
  scope: Type.Optional(ScopeField),
  kind: Type.Optional(KindField),
  /** Rotation: a new form under another HSM key for all, or for what is older than `olderThanDays`. */
  reseal: Type.Optional(Type.Boolean()),
  olderThanDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 36_500 })),
}

export const MigrationPlanField = Type.Object({
  source: Type.String(),
  target: Type.String(),
  deposits: count,
  revisions: count,
  contentBytes: count,
  /** HSM keys that will be made. */
  hsmKeys: count,
  /** Of the target partition now. `room`: how many more keys Key HSM would make, where a limit is known. */
  capacity: Type.Object({
    used: count,
    limit: Type.Optional(count),
    room: Type.Optional(count),
  }),
  /** Whether those keys have room. */
  fits: Type.Boolean(),
  /** Deposits that cannot be moved, of which the first are shown. */
  offending: count,
  offenders: Type.Array(
    Type.Object({
      deposit: UuidField,
      handle: Type.String(),
      owner: UuidField,
      reason: Type.String(),
      /** A name that would do. */
      suggestion: Type.Optional(Type.String()),
    }),
  ),
  /** Deposits that get another name before they are moved. */
  renamed: count,
  warnings: Type.Array(Type.String()),
})

export const MigrationField = Type.Object({
  uuid: UuidField,
  state: Type.Union([
    Type.Literal('running'),
    Type.Literal('paused'),
    Type.Literal('moved'),
    Type.Literal('finishing'),
    Type.Literal('rolling-back'),
    Type.Literal('finished'),
    Type.Literal('rolled-back'),
  ]),
  source: Type.String(),
  target: Type.String(),
  startedBy: Type.String(),
  startedAt: InstantField,
  updatedAt: InstantField,
  endedAt: Type.Optional(InstantField),
  /** Revisions to move when it began. */
  total: count,
  moved: count,
  /** Moves that a purge or another change came before. */
  overtaken: count,
  /** Revisions that could not be moved and stay as they are. */
  failed: count,
  /** Why it waits. */
  note: Type.Optional(Type.String()),
})

export const planMigrationRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/migrations/plan',
  body: Type.Object(MigrationWishField, exact),
  reply: MigrationPlanField,
  deadlineMs: 300_000,
  summary: 'say what a migration would move, what is in its way and whether the HSM has room',
})

export const startMigrationRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/migrations',
  body: Type.Object(
    {
      ...MigrationWishField,
      requestId: RequestIdField,
      /** Out of the HSM: that nothing is destroyed by revoking a key any more. */
      understood: Type.Optional(Type.Boolean()),
      /** Drop the former forms as soon as everything is moved; then there is no rollback. */
      finish: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  reply: Type.Object({ plan: MigrationPlanField, migration: MigrationField }),
  success: 202,
  deadlineMs: 300_000,
  summary: 'begin a migration; the server goes on with it by itself',
})

export const listMigrationsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/migrations',
  reply: Type.Object({
    /** Newest first, at most 100. */
    migrations: Type.Array(MigrationField),
    /** What the newest could not move, at most 100. */
    failures: Type.Array(
      Type.Object({
        deposit: UuidField,
        handle: Type.String(),
        revision: Type.Integer(),
        code: Type.String(),
      }),
    ),
  }),
  summary: 'list migrations, the one under way first',
})

export const orderMigrationRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/migrations/order',
  body: Type.Object(
    {
      requestId: RequestIdField,
      act: Type.Union([
        Type.Literal('pause'),
        Type.Literal('resume'),
        Type.Literal('finish'),
        Type.Literal('rollback'),
      ]),
    },
    exact,
  ),
  reply: MigrationField,
  deadlineMs: 120_000,
  summary: 'pause, resume, finish or roll back the migration under way',
})

export const trusteeMigrationRoutes = [
  planMigrationRoute,
  startMigrationRoute,
  listMigrationsRoute,
  orderMigrationRoute,
] as const
