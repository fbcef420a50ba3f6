/** Brings a database to the schema of this code. Safe to run from many processes at once, and again. */
import { DomainError } from '@keyhsm/core'
import pg from 'pg'
import { version as program } from '../../version.js'
import type { PostgresAddress } from './address.js'
import { type Migration, migrations } from './migrations/index.js'
import { inTransaction, withOwner } from './owner-connection.js'
import { newest, readInstalled, refuseNewer, refuseOlder } from './schema-version.js'
import { sqlState } from './sqlstate.js'

export interface InstallOptions {
  /** Must be allowed to create a schema in the database; owns what it makes. */
  readonly address: PostgresAddress
  /** The role that the service uses, if it is another: gets what it needs and no more. */
  readonly serviceRole?: string
  readonly migrations?: readonly Migration[]
}

/** Any number of our own: who changes the schema, its table of versions included, does so alone. */
const installLock = 4_711_381

/** A migration that waits behind a long transaction makes every request wait behind itself. */
const lockTimeoutMs = 10_000

/** Since this version the table of versions notes the program. */
const programNotedSince = 8

/** Gives the version now installed. @throws ERR_SETTINGS when the schema is newer than this code; ERR_BUSY */
export async function installSchema(options: InstallOptions): Promise<number> {
  const known = options.migrations ?? migrations
  return withOwner(options.address, async (client) => {
    const installed = await readInstalled(client)
    refuseNewer(installed, newest(known))
    // A role without the right to create is enough when there is nothing to do.
    if (installed.version === newest(known) && options.serviceRole === undefined)
      return newest(known)
    await inTransaction(client, () => makeVersionTable(client))
    for (const migration of known) await inTransaction(client, () => apply(client, migration))
    if (options.serviceRole !== undefined) await grantTo(client, options.serviceRole)
    return newest(known)
  })
}

/**
 * Brings the schema up to date where this role may; where it may not, that of the release before will do.
 * @returns the version there
 * @throws ERR_SETTINGS when it is newer than this code, or older than the release before; ERR_BUSY
 */
export async function ensureSchema(address: PostgresAddress): Promise<number> {
  const kept = await withOwner(address, async (client) => {
    const installed = await readInstalled(client)
    refuseNewer(installed)
    if (installed.version === 0 || (await mayChange(client))) return undefined
    refuseOlder(installed.version)
    return installed.version
  })
  return kept ?? installSchema({ address })
}

async function mayChange(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ owns: boolean }>(
    `select pg_catalog.pg_has_role(relowner, 'USAGE') as owns
       from pg_catalog.pg_class where oid = 'keytrustee.schema_migrations'::regclass`,
  )
  return rows[0]?.owns === true
}

/** Whether this copy of the database follows another. @throws ERR_STORE_UNAVAILABLE, ERR_SETTINGS */
export function isStandby(address: PostgresAddress): Promise<boolean> {
  return withOwner(address, async (client) => {
    const { rows } = await client.query<{ standby: boolean }>(
      'select pg_catalog.pg_is_in_recovery() as standby',
    )
    return rows[0]?.standby === true
  })
}

async function makeVersionTable(client: pg.Client): Promise<void> {
  // Two at once would both see nothing and both create: `if not exists` alone does not serialise.
  await client.query('select pg_advisory_xact_lock($1)', [installLock])
  await client.query('create schema if not exists keytrustee')
  await client.query(`create table if not exists keytrustee.schema_migrations (
    version integer primary key,
    name text not null,
    applied_at timestamptz not null default now()
  )`)
}

/** Its row goes first: a process of the release before, which knows no lock, waits there and then finds it done. */
async function apply(client: pg.Client, migration: Migration): Promise<void> {
  const { version, name, sql } = migration
  await client.query('select pg_advisory_xact_lock($1)', [installLock])
  const { rowCount } = await client.query(
    `insert into keytrustee.schema_migrations (version, name) values ($1, $2) on conflict do nothing`,
    [version, name],
  )
  if (rowCount === 0) return
  await client.query('set local search_path = keytrustee, pg_temp')
  await client.query(`set local lock_timeout = ${lockTimeoutMs}`)
  await client.query(sql).catch((error: unknown) => {
    throw sqlState(error) === '55P03' ? busy(version, error) : error
  })
  if (version >= programNotedSince)
    await client.query('update schema_migrations set program = $1 where version = $2', [
      program,
      version,
    ])
}

function busy(version: number, cause: unknown): DomainError {
  return new DomainError(
    'ERR_BUSY',
    `the schema is not brought to version ${version}: its tables are in use by another transaction`,
    { cause, hints: ['try again; long transactions are in pg_stat_activity'] },
  )
}

const writable: readonly string[] = [
  'organisations',
  'clients',
  'groups',
  'deposits',
  'deposit_readers',
  'revisions',
  'revocations',
  'retrieval_counts',
  'retrieval_requests',
  'verdicts',
  'pending_puts',
  'requests',
  'joins',
  'usages',
  'hsm_key_counts',
  'migrations',
  'migration_faults',
  'former_revisions',
  'nodes',
  'timelines',
  'client_authorities',
  'client_authorities_taken',
]
/** On the schema of the release before some are missing. */
const writableThere = `select string_agg(format('%I', name), ', ') as names
  from unnest($1::text[]) as name where to_regclass('keytrustee.' || name) is not null`

/**
 * The service has no right to delete deposits, their revisions, clients or organisations; the one function it may run
 * deletes what is left of an organisation without deposits.
 */
async function grantTo(client: pg.Client, role: string): Promise<void> {
  const to = pg.escapeIdentifier(role)
  await inTransaction(client, async () => {
    await client.query('select pg_advisory_xact_lock($1)', [installLock])
    await client.query('set local search_path = keytrustee, pg_temp')
    await client.query(`grant usage on schema keytrustee to ${to}`)
    await client.query(`grant select on schema_migrations to ${to}`)
    const tables = await client.query<{ names: string }>(writableThere, [writable])
    const names = tables.rows[0]?.names ?? ''
    await client.query(`grant select, insert, update on ${names} to ${to}`)
    await client.query(
      `grant delete on pending_puts, requests, hsm_key_counts, groups, deposit_readers, retrieval_requests, verdicts, joins, migration_faults, former_revisions to ${to}`,
    )
    await client.query(`grant execute on function delete_organisation to ${to}`)
  })
}
