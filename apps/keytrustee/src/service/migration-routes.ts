/** The control socket's routes about moving deposits. */
import {
  leaveRoute,
  listMigrationsRoute,
  orderMigrationRoute,
  planMigrationRoute,
  type ReplyOf,
  startMigrationRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import { orderMigration } from '../migration/end-migration.js'
import { leaveKeyHsm } from '../migration/leave-key-hsm.js'
import type { MigrationDesk } from '../migration/migration-desk.js'
import { planMigration } from '../migration/plan-migration.js'
import { startMigration } from '../migration/start-migration.js'
import type { MigrationProgress } from '../store/store.js'
import { orderOf } from './identify.js'

type MigrationReply = ReplyOf<typeof orderMigrationRoute>

/** Migrations and failures shown. */
const shown = 100

export function migrationRoutes(desk: MigrationDesk): BoundRoute[] {
  return [
    bindRoute(planMigrationRoute, async ({ body }) => (await planMigration(desk, body)).plan),
    bindRoute(startMigrationRoute, async ({ body, ...by }) => {
      const { requestId: _, understood, finish, ...wish } = body
      const { plan, progress } = await startMigration(desk, {
        ...orderOf(by),
        wish,
        understood: understood === true,
        finishesItself: finish === true,
      })
      return { plan, migration: await toMigrationReply(desk, progress) }
    }),
    bindRoute(listMigrationsRoute, async () => {
      const { store } = desk.trustee
      const rows = await store.listMigrations(shown)
      const [newest] = rows
      const faults = newest ? await store.listMigrationFaults(newest.uuid, shown) : []
      return {
        migrations: await Promise.all(rows.map((row) => toMigrationReply(desk, row))),
        failures: faults.map(({ deposit, handle, revision, code }) => {
          return { deposit, handle, revision, code }
        }),
      }
    }),
    bindRoute(orderMigrationRoute, async ({ body, ...by }) => {
      const order = { ...orderOf(by), act: body.act }
      return toMigrationReply(desk, await orderMigration(desk, order))
    }),
    bindRoute(leaveRoute, async (by) => {
      await leaveKeyHsm(desk, orderOf(by))
      return { sealing: desk.sealing.state }
    }),
  ]
}

/** The one under way is known more freshly in this process. */
export async function toMigrationReply(
  { trustee: { store }, order, progress }: MigrationDesk,
  row: MigrationProgress,
): Promise<MigrationReply> {
  const fresh = order && progress?.uuid === row.uuid ? { ...progress, state: order.state } : row
  const { cursor: _, startedAt, updatedAt, endedAt, note, ...rest } = fresh
  return {
    ...rest,
    failed: await store.countMigrationFaults(row.uuid),
    startedAt: startedAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
    ...(endedAt === undefined ? {} : { endedAt: endedAt.toISOString() }),
    ...(note === undefined ? {} : { note }),
  }
}

/** `running: 12 of 40 moved from pass-through to hsm default`; undefined when nothing is under way. */
export function describeMigration({ order, progress }: MigrationDesk): string | undefined {
  if (!order || !progress) return undefined
  const { moved, total, source, target, note } = progress
  const line = `${order.state}: ${moved} of ${total} moved from ${source} to ${target}`
  return note === undefined ? line : `${line}; ${note}`
}
