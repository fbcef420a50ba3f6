/** Brings a database to the schema of this code. Safe to run from many processes at once, and again. */
import { DomainError } from '@keyhsm/core'
import pg from 'pg'
import { describeAddress, type PostgresAddress } from './address.js'
import { type Migration, migrations } from './migrations/index.js'
import { defaultTimeouts, plainConfig } from './pool.js'
import { translate } from './sqlstate.js'

export interface InstallOptions {
  /** Must be allowed to create a schema in the database; owns what it makes. */
  readonly address: PostgresAddress
  /** The role that the service uses, if it is another: gets what it needs and no more. */
  readonly serviceRole?: string
  readonly migrations?: readonly Migration[]
}

/** Any number of our own: serialises the making of the schema and its table of versions. */
const installLock = 4_711_381

const findVersions = 'select version from keytrustee.schema_migrations order by version'

/** Gives the version now installed. @throws ERR_SETTINGS when the schema is newer than this code. */
export async function installSchema(options: InstallOptions): Promise<number> {
  const known = options.migrations ?? migrations
  return withClient(options.address, async (client) => {
    await refuseNewer(client, known)
    const done = (await installedVersion(client)) === newest(known)
    // A role without the right to create is enough when there is nothing to do.
    if (done && options.serviceRole === undefined) return newest(known)
    await inTransaction(client, () => makeVersionTable(client))
    for (const migration of known) await inTransaction(client, () => apply(client, migration))
    if (options.serviceRole !== undefined) await grantTo(client, options.serviceRole)
    return newest(known)
  })
}

/** Refuses a database whose schema is missing, older or newer than this code's. @throws ERR_SETTINGS */
export async function checkSchema(address: PostgresAddress): Promise<void> {
  await withClient(address, async (client) => {
    const installed = await installedVersion(client)
    await refuseNewer(client, migrations)
    if (installed === newest(migrations)) return
    throw new DomainError(
      'ERR_SETTINGS',
      `the schema of the database is at version ${installed}, this program needs ${newest(migrations)}`,
      { hints: ['install the schema as the role that owns it'] },
    )
  })
}

/** Whether this copy of the database follows another. @throws ERR_STORE_UNAVAILABLE, ERR_SETTINGS */
export function isStandby(address: PostgresAddress): Promise<boolean> {
  return withClient(address, async (client) => {
    const { rows } = await client.query<{ standby: boolean }>(
      'select pg_catalog.pg_is_in_recovery() as standby',
    )
    return rows[0]?.standby === true
  })
}

function newest(known: readonly Migration[]): number {
  return Math.max(0, ...known.map(({ version }) => version))
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

/** Its row goes first: a second process waits there until this transaction ends, and then finds it done. */
async function apply(client: pg.Client, { version, name, sql }: Migration): Promise<void> {
  const { rowCount } = await client.query(
    `insert into keytrustee.schema_migrations (version, name) values ($1, $2) on conflict do nothing`,
    [version, name],
  )
  if (rowCount === 0) return
  await client.query('set local search_path = keytrustee, pg_temp')
  await client.query(sql)
}

async function installedVersion(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ table: string | null }>(
    `select to_regclass('keytrustee.schema_migrations')::text as table`,
  )
  if (!rows[0]?.table) return 0
  const versions = await client.query<{ version: number }>(findVersions)
  return Math.max(0, ...versions.rows.map(({ version }) => version))
}

async function refuseNewer(client: pg.Client, known: readonly Migration[]): Promise<void> {
  const installed = await installedVersion(client)
  if (installed <= newest(known)) return
  throw new DomainError(
    'ERR_SETTINGS',
    `the schema of the database is newer (version ${installed}) than this program (${newest(known)})`,
    { hints: ['run the newer release of this program'] },
  )
}

/**
 * The service has no right to delete deposits, their revisions, clients or organisations; the one function it may run
 * deletes what is left of an organisation without deposits.
 */
async function grantTo(client: pg.Client, role: string): Promise<void> {
  const to = pg.escapeIdentifier(role)
  const writable =
    'organisations, clients, groups, deposits, deposit_readers, revisions, revocations, retrieval_counts, retrieval_requests, verdicts, pending_puts, requests, joins, usages, hsm_key_counts, migrations, migration_faults, former_revisions, nodes, timelines'
  await inTransaction(client, async () => {
    await client.query('select pg_advisory_xact_lock($1)', [installLock])
    await client.query('set local search_path = keytrustee, pg_temp')
    await client.query(`grant usage on schema keytrustee to ${to}`)
    await client.query(`grant select on schema_migrations to ${to}`)
    await client.query(`grant select, insert, update on ${writable} to ${to}`)
    await client.query(
      `grant delete on pending_puts, requests, hsm_key_counts, groups, deposit_readers, retrieval_requests, verdicts, joins, migration_faults, former_revisions to ${to}`,
    )
    await client.query(`grant execute on function delete_organisation to ${to}`)
  })
}

async function inTransaction(client: pg.Client, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => undefined)
    throw error
  }
}

async function withClient<Result>(
  address: PostgresAddress,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  // No limit on answers here: a migration takes the time it takes.
  const { query_timeout: _, ...config } = plainConfig(address, defaultTimeouts)
  const client = new pg.Client({ ...config, options: '-c synchronous_commit=on' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } catch (error) {
    throw refused(error, address)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** SQLSTATEs of a database that will not let this role work: a matter of settings, not of waiting. */
const refusingStates = new Set(['28000', '28P01', '3D000', '42501'])

/** Node's words for a certificate that is not the expected one. @see https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const certificateCode = /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/

function refused(error: unknown, address: PostgresAddress): DomainError {
  const code = String((error as { readonly code?: unknown } | undefined)?.code)
  const place = describeAddress(address)
  if (error instanceof pg.DatabaseError && refusingStates.has(code))
    return settings(`${place} refuses the role ${address.user} (SQLSTATE ${code})`, error)
  if (certificateCode.test(code))
    return settings(`${place} shows a certificate that is not trusted (${code})`, error)
  return translate(error)
}

function settings(words: string, cause: unknown): DomainError {
  return new DomainError('ERR_SETTINGS', `the database ${words}`, { cause })
}
