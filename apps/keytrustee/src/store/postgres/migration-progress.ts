/** Progress of migrations and what they could not move. */
import type { Handle, Uuid } from '@keyhsm/core'
import { migratingElsewhere } from '../migrating-elsewhere.js'
import type { MigrationBegins, MigrationFault, MigrationProgress } from '../store.js'
import { change, type Columns, findAll, findOne, type Queries } from './queries.js'

const columns = `uuid, state, source, target, started_by, started_at, updated_at, ended_at,
  total, moved, overtaken, cursor_deposit, cursor_revision, note`

const find = {
  name: 'migrations_find',
  text: `select ${columns} from migrations where uuid = $1`,
}
const list = {
  name: 'migrations_list',
  text: `select ${columns} from migrations order by started_at desc limit $1`,
}
const save = {
  name: 'migrations_save',
  text: `insert into migrations (${columns})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    on conflict (uuid) do update set state = excluded.state, updated_at = excluded.updated_at,
      ended_at = excluded.ended_at, total = excluded.total, moved = excluded.moved,
      overtaken = excluded.overtaken, cursor_deposit = excluded.cursor_deposit,
      cursor_revision = excluded.cursor_revision, note = excluded.note`,
}
/** Those that begin meanwhile wait for each other. */
const lock = { name: 'migrations_lock', text: 'lock table migrations in share row exclusive mode' }
const findOther = {
  name: 'migrations_find_other',
  text: `select uuid from migrations
    where uuid <> $1 and updated_at > $2 and state not in ('finished', 'rolled-back') limit 1`,
}
const countFaults = {
  name: 'migration_faults_count',
  text: 'select count(*) as faults from migration_faults where migration = $1',
}
const listFaults = {
  name: 'migration_faults_list',
  text: `select migration, revision_uuid, deposit, handle, revision, code from migration_faults
    where migration = $1 order by handle, revision limit $2`,
}
const saveFault = {
  name: 'migration_faults_save',
  text: `insert into migration_faults (migration, revision_uuid, deposit, handle, revision, code)
    values ($1, $2, $3, $4, $5, $6) on conflict (migration, revision_uuid) do update set code = excluded.code`,
}
const deleteFaults = {
  name: 'migration_faults_delete',
  text: 'delete from migration_faults where migration = $1',
}

const states = [
  'running',
  'paused',
  'moved',
  'finishing',
  'rolling-back',
  'finished',
  'rolled-back',
] as const

function toProgress(row: Columns): MigrationProgress {
  return {
    uuid: row.uuid('uuid'),
    state: row.word('state', states),
    source: row.text('source'),
    target: row.text('target'),
    startedBy: row.text('started_by'),
    startedAt: row.instant('started_at'),
    updatedAt: row.instant('updated_at'),
    endedAt: row.optionalInstant('ended_at'),
    total: row.count('total'),
    moved: row.count('moved'),
    overtaken: row.count('overtaken'),
    cursor:
      row.optionalText('cursor_deposit') === undefined
        ? undefined
        : { deposit: row.uuid('cursor_deposit'), revision: row.integer('cursor_revision') },
    note: row.optionalText('note'),
  }
}

export function findMigration(
  queries: Queries,
  uuid: Uuid,
): Promise<MigrationProgress | undefined> {
  return findOne(queries, find, [uuid], toProgress)
}

export function listMigrations(
  queries: Queries,
  limit: number,
): Promise<readonly MigrationProgress[]> {
  return findAll(queries, list, [limit], toProgress)
}

/** @throws ERR_CONFLICT when another is open, and its row was written after `aliveSince` */
export async function requireAlone(
  queries: Queries,
  { uuid }: MigrationProgress,
  { aliveSince }: MigrationBegins,
): Promise<void> {
  await change(queries, lock, [])
  const toUuid = (row: Columns) => row.uuid('uuid')
  const other = await findOne(queries, findOther, [uuid, aliveSince], toUuid)
  if (other !== undefined) throw migratingElsewhere(other)
}

export async function saveMigration(queries: Queries, row: MigrationProgress): Promise<void> {
  const began = [row.uuid, row.state, row.source, row.target, row.startedBy, row.startedAt]
  const { deposit = null, revision = null } = row.cursor ?? {}
  const counts = [row.total, row.moved, row.overtaken, deposit, revision, row.note ?? null]
  await change(queries, save, [...began, row.updatedAt, row.endedAt ?? null, ...counts])
}

export async function countMigrationFaults(queries: Queries, migration: Uuid): Promise<number> {
  return (await findOne(queries, countFaults, [migration], (row) => row.count('faults'))) ?? 0
}

export function listMigrationFaults(
  queries: Queries,
  migration: Uuid,
  limit: number,
): Promise<readonly MigrationFault[]> {
  return findAll(queries, listFaults, [migration, limit], (row) => ({
    migration: row.uuid('migration'),
    revisionUuid: row.uuid('revision_uuid'),
    deposit: row.uuid('deposit'),
    handle: row.text('handle') as Handle,
    revision: row.integer('revision'),
    code: row.text('code'),
  }))
}

export async function saveMigrationFault(queries: Queries, row: MigrationFault): Promise<void> {
  const { migration, revisionUuid, deposit, handle, revision, code } = row
  await change(queries, saveFault, [migration, revisionUuid, deposit, handle, revision, code])
}

export async function deleteMigrationFaults(queries: Queries, migration: Uuid): Promise<void> {
  await change(queries, deleteFaults, [migration])
}
