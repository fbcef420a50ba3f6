/** The rows of a database as one consistent snapshot, table by table, in PostgreSQL's own text form of COPY. */
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import type { PostgresAddress } from './address.js'
import { defaultTimeouts, plainConfig } from './pool.js'
import { translate } from './sqlstate.js'

export interface DumpedTable {
  readonly name: string
  readonly columns: readonly string[]
  /** To be read to its end. */
  readonly rows: AsyncIterable<Buffer>
}

/** Deposits by scope, of those that are not purged. */
export interface ScopeCount {
  readonly organisation: string
  /** `none`: passed through unsealed. */
  readonly scope: string
  readonly revisions: number
  readonly hsmKeys: number
}

export interface Snapshot {
  /** Version of the schema. */
  readonly schema: number
  /** How many servers have written to this database. */
  readonly servers: number
  /** How many rows are about to come, as the planner believes: for progress alone. */
  readonly estimatedRows: number
  /** Each table in an order in which they can be loaded again. */
  tables(): AsyncGenerator<DumpedTable>
  /** HSM keys in use: id, scope, kind, revisions; tab-separated lines. */
  hsmKeys(): AsyncIterable<Buffer>
  scopes(): Promise<readonly ScopeCount[]>
}

/** Not rows of anybody: what was reserved by puts under way, who wrote to this very database, what servers
 * hand on by it (they publish it again), and the schema's own. */
const leftOut = [
  'schema_migrations',
  'pending_puts',
  'nodes',
  'timelines',
  'client_authorities',
  'client_authorities_taken',
]

const findTables = `select c.relname::text as name, greatest(c.reltuples, 0)::float8 as rows,
    array_agg(a.attname::text order by a.attnum) as columns
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    and not a.attisdropped and a.attgenerated = ''
  where n.nspname = 'keytrustee' and c.relkind = 'r' and not c.relname = any($1::text[])
  group by c.oid, c.relname, c.reltuples order by c.relname`
const findReferences = `select f.relname::text as from, t.relname::text as to
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_class f on f.oid = k.conrelid
  join pg_catalog.pg_class t on t.oid = k.confrelid
  join pg_catalog.pg_namespace n on n.oid = f.relnamespace
  where n.nspname = 'keytrustee' and k.contype = 'f' and f.oid <> t.oid`
const inUse = `from keytrustee.revisions r join keytrustee.deposits d on d.uuid = r.deposit
  where d.state <> 'purged'`
const listHsmKeys = `copy (select r.hsm_key_id, r.scope, r.kind, count(*) ${inUse}
  and r.hsm_key_id is not null group by 1, 2, 3 order by 1) to stdout`
const countScopes = `select o.name::text as organisation, s.scope, s.revisions, s.hsm_keys
  from (select d.organisation, coalesce(r.scope, 'none') as scope, count(*)::float8 as revisions,
      count(distinct r.hsm_key_id)::float8 as hsm_keys ${inUse} group by 1, 2) s
  join keytrustee.organisations o on o.uuid = s.organisation order by 1, 2`

/**
 * Lends a snapshot: one read-only transaction that sees one moment, however long it takes.
 * @throws ERR_STORE_UNAVAILABLE, ERR_SETTINGS when the role may not read.
 */
export async function withSnapshot<Result>(
  address: PostgresAddress,
  work: (snapshot: Snapshot) => Promise<Result>,
): Promise<Result> {
  const { query_timeout: _, ...config } = plainConfig(address, defaultTimeouts)
  const client = new pg.Client({ ...config, options: '-c statement_timeout=0' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('begin transaction isolation level repeatable read, read only')
    return await work(await readSnapshot(client))
  } catch (error) {
    throw translate(error)
  } finally {
    // Read-only: ending the connection ends the transaction, also after a COPY that was cut off.
    await client.end().catch(() => undefined)
  }
}

interface TableRow {
  readonly name: string
  readonly rows: number
  readonly columns: readonly string[]
}

async function readSnapshot(client: pg.Client): Promise<Snapshot> {
  const { rows: versions } = await client.query<{ version: number; servers: number }>(
    `select coalesce(max(version), 0) as version, (select count(*)::int from keytrustee.nodes) as servers
      from keytrustee.schema_migrations`,
  )
  const { rows: tables } = await client.query<TableRow>(findTables, [leftOut])
  const { rows: references } = await client.query<{ from: string; to: string }>(findReferences)
  const ordered = inLoadingOrder(tables, references)
  return {
    schema: versions[0]?.version ?? 0,
    servers: versions[0]?.servers ?? 0,
    estimatedRows: Math.round(tables.reduce((sum, { rows }) => sum + rows, 0)),
    async *tables() {
      for (const { name, columns } of ordered) {
        const table = `keytrustee.${pg.escapeIdentifier(name)}`
        const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
        const rows = client.query(copyTo(`copy ${table} (${list}) to stdout`))
        yield { name, columns, rows: rows as AsyncIterable<Buffer> }
      }
    },
    hsmKeys: () => client.query(copyTo(listHsmKeys)) as AsyncIterable<Buffer>,
    scopes: () => readScopes(client),
  }
}

async function readScopes(client: pg.Client): Promise<readonly ScopeCount[]> {
  const { rows } = await client.query<ScopeCount & { readonly hsm_keys: number }>(countScopes)
  return rows.map(({ organisation, scope, revisions, hsm_keys: hsmKeys }) => ({
    organisation,
    scope,
    revisions,
    hsmKeys,
  }))
}

/** A table comes after those it refers to. */
export function inLoadingOrder<Table extends { readonly name: string }>(
  tables: readonly Table[],
  references: readonly { readonly from: string; readonly to: string }[],
): readonly Table[] {
  const left = [...tables]
  const ordered: Table[] = []
  while (left.length > 0) {
    const waiting = new Set(left.map(({ name }) => name))
    const next = left.findIndex(
      ({ name }) => !references.some(({ from, to }) => from === name && waiting.has(to)),
    )
    if (next < 0) throw new Error('tables refer to each other in a circle')
    ordered.push(...left.splice(next, 1))
  }
  return ordered
}
