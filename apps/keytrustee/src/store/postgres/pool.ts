/** The only file that makes connections: their limits, their session settings, and their errors translated. */
import type { Socket } from 'node:net'
import { isAbsolute } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import type { PostgresAddress } from './address.js'
import { Columns, type Queries, type Result, type Statement, type Value } from './queries.js'
import { translate } from './sqlstate.js'

/** All in ms. Together they bound every call: a hung database costs a request seconds, never for ever. */
export interface Timeouts {
  readonly connectMs: number
  readonly statementMs: number
  readonly lockMs: number
  /** A transaction that its client forgot is ended by the database after this. */
  readonly idleInTransactionMs: number
  /** For an answer that never comes (stopped process, cut cable): then the connection is destroyed. */
  readonly answerMs: number
}

export const defaultTimeouts: Timeouts = {
  connectMs: 5_000,
  statementMs: 8_000,
  lockMs: 4_000,
  idleInTransactionMs: 15_000,
  answerMs: 10_000,
}

export interface SessionSettings {
  /** Pinned on each connection, so that a role's or database's setting changed later cannot lose commits. */
  readonly synchronousCommit: 'on' | 'remote_apply'
}

/** Connection settings of the driver without session settings: what the server itself would do. */
export function plainConfig(address: PostgresAddress, timeouts: Timeouts): pg.ClientConfig {
  const { host, port, database, user, password, tls } = address
  return {
    host,
    port,
    database,
    user,
    ...(password === undefined ? {} : { password }),
    ssl: tls ? verifyFull(tls.authorities) : false,
    application_name: 'keytrustee-server',
    keepAlive: !isAbsolute(host),
    connectionTimeoutMillis: timeouts.connectMs,
    query_timeout: timeouts.answerMs,
  }
}

/** The certificate must be signed by the authorities and be of this very host, name or address. */
function verifyFull(authorities: readonly string[] | undefined): ConnectionOptions {
  return {
    rejectUnauthorized: true,
    ...(authorities ? { ca: [...authorities] } : {}),
  }
}

/**
 * Every statement here looks rows up by keys: one plan, on an index and in its order, from the first call and at any size.
 * @see docs/decisions/0130-moves-are-walked.md
 */
export const planning = {
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  jit: 'off',
} as const

function sessionConfig(
  address: PostgresAddress,
  timeouts: Timeouts,
  session: SessionSettings,
): pg.ClientConfig {
  const settings = {
    search_path: 'keytrustee,pg_temp',
    synchronous_commit: session.synchronousCommit,
    timezone: 'UTC',
    datestyle: 'ISO',
    bytea_output: 'hex',
    ...planning,
  }
  return {
    ...plainConfig(address, timeouts),
    // Statements of one transaction need not wait for each other's answers.
    pipeline: true,
    statement_timeout: timeouts.statementMs,
    lock_timeout: timeouts.lockMs,
    idle_in_transaction_session_timeout: timeouts.idleInTransactionMs,
    options: Object.entries(settings)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  }
}

export interface PoolOptions {
  readonly address: PostgresAddress
  readonly session: SessionSettings
  readonly timeouts: Timeouts
  readonly maxConnections: number
}

/** Opens no connection yet. Broken connections leave the pool by themselves; the next call makes a new one. */
export function makePool({ address, session, timeouts, maxConnections }: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    ...sessionConfig(address, timeouts, session),
    max: maxConnections,
    idleTimeoutMillis: 60_000,
  })
  // A connection that breaks says so by an event, which would end the process if nobody listened. Whoever uses it gets
  // the error from its statement; an idle one is of no interest.
  pool.on('error', () => undefined)
  const open = new Set<pg.PoolClient>()
  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    open.add(client)
  })
  pool.on('remove', (client) => open.delete(client))
  openOf.set(pool, open)
  return pool
}

const openOf = new WeakMap<pg.Pool, Set<pg.PoolClient>>()

/** Ends a pool whose database is gone: whoever waits for an answer hears at once that the connection was lost. */
export function cutPool(pool: pg.Pool): void {
  void pool.end().catch(() => undefined)
  for (const client of openOf.get(pool) ?? []) cutClient(client)
}

/** Ends a connection without waiting for anybody. */
export function cutClient(client: pg.ClientBase): void {
  const { connection } = client as unknown as { readonly connection?: { stream: Socket } }
  connection?.stream.destroy()
}

interface QuerySource {
  query(config: pg.QueryConfig): Promise<pg.QueryResult>
}

/** Runs named statements on a connection or, outside of a transaction, on any of the pool. */
export function queriesOn(source: QuerySource): Queries {
  return {
    async run(statement: Statement, values: readonly Value[]): Promise<Result> {
      try {
        const { rows, rowCount } = await source.query({ ...statement, values: [...values] })
        return { rows: rows.map((row) => new Columns(row)), rowCount: rowCount ?? 0 }
      } catch (error) {
        throw translate(error)
      }
    },
  }
}
