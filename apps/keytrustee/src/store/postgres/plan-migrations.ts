/** What bringing a schema up to date would do, and how long it would keep others waiting. Changes nothing and locks nothing. */
import type pg from 'pg'
import type { PostgresAddress } from './address.js'
import { type Migration, migrations, type TableLock } from './migrations/index.js'
import { withOwner } from './owner-connection.js'
import { newest, readInstalled, refuseNewer } from './schema-version.js'

export interface PlannedLock extends TableLock {
  /** As the planner believes. */
  readonly rows: number
  readonly bytes: number
  readonly aboutMs: number
}

export interface PlannedMigration extends Pick<Migration, 'version' | 'name' | 'changes'> {
  readonly locks: readonly PlannedLock[]
  /** Its tables are locked together until it commits. */
  readonly aboutMs: number
}

export interface SchemaPlan {
  readonly installed: number
  readonly known: number
  readonly migrations: readonly PlannedMigration[]
}

/** Bytes a second that PostgreSQL gets through on a slow machine: assumed, low on purpose, and said where times are shown. */
export const assumedBytesPerSecond = { scan: 100_000_000, rewrite: 15_000_000 } as const
/** A change of the catalogue alone, with its commit. */
const catalogueMs = 20

/** @throws ERR_SETTINGS when the schema is newer than this code, or the role is refused; ERR_STORE_UNAVAILABLE */
export function planMigrations(
  address: PostgresAddress,
  known: readonly Migration[] = migrations,
): Promise<SchemaPlan> {
  return withOwner(address, async (client) => {
    const { version: installed, program } = await readInstalled(client)
    refuseNewer({ version: installed, ...(program ? { program } : {}) }, newest(known))
    const missing = known.filter(({ version }) => version > installed)
    const planned: PlannedMigration[] = []
    for (const migration of missing) planned.push(await planOne(client, migration))
    return { installed, known: newest(known), migrations: planned }
  })
}

async function planOne(client: pg.Client, migration: Migration): Promise<PlannedMigration> {
  const { version, name, changes } = migration
  const locks: PlannedLock[] = []
  for (const lock of migration.locks) locks.push(await planLock(client, lock))
  const heldMs = locks.reduce((sum, one) => sum + one.aboutMs, 0)
  return { version, name, changes, locks, aboutMs: Math.max(catalogueMs, heldMs) }
}

/** The heap alone: what lies outside of it (long values) is neither read nor written by any of these. */
async function planLock(client: pg.Client, lock: TableLock): Promise<PlannedLock> {
  const { rows: found } = await client.query<{ rows: number; bytes: number }>(
    `select greatest(c.reltuples, 0)::float8 as rows,
        (pg_catalog.pg_relation_size(c.oid) + pg_catalog.pg_indexes_size(c.oid))::float8 as bytes
      from pg_catalog.pg_class c where c.oid = to_regclass('keytrustee.' || $1)`,
    [lock.table],
  )
  const { rows, bytes } = found[0] ?? { rows: 0, bytes: 0 }
  const workMs = lock.work === 'catalogue' ? 0 : (bytes / assumedBytesPerSecond[lock.work]) * 1000
  return { ...lock, rows, bytes, aboutMs: Math.round(catalogueMs + workMs) }
}
