/** Loads rows that were dumped into an empty database: all of them in one transaction, or none. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { DomainError } from '@keyhsm/core'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { PostgresAddress } from './address.js'
import { installSchema } from './install-schema.js'
import { migrations } from './migrations/index.js'
import { defaultTimeouts, plainConfig } from './pool.js'
import { translate } from './sqlstate.js'

export interface LoadOptions {
  /** A role that may make the schema. */
  readonly address: PostgresAddress
  /** The role of the service, if it is another. */
  readonly serviceRole?: string
  /** Version of the schema the rows were dumped from. */
  readonly schema: number
}

export interface LoadTarget {
  /** @returns how many rows the database took. */
  load(table: string, columns: readonly string[], rows: AsyncIterable<Uint8Array>): Promise<number>
}

/**
 * Lends a database with the schema of the backup; when `work` resolves its rows are committed and the schema is brought up
 * to date.
 * @throws ERR_SETTINGS for a schema newer than this program; ERR_ALREADY_EXISTS when the database holds rows; what `work`
 * throws, with nothing committed.
 */
export async function loadDatabase<Result>(
  o: LoadOptions,
  work: (target: LoadTarget) => Promise<Result>,
): Promise<Result> {
  const newest = Math.max(...migrations.map(({ version }) => version))
  if (o.schema > newest)
    throw new DomainError(
      'ERR_SETTINGS',
      `the backup has schema version ${o.schema}, this program knows ${newest}`,
      { hints: ['restore it with the release that made it, or a newer one'] },
    )
  const { address } = o
  await withClient(address, removeEmptySchema)
  await installSchema({
    address,
    migrations: migrations.filter(({ version }) => version <= o.schema),
  })
  const result = await withClient(address, (client) => loadAll(client, work))
  const { serviceRole } = o
  await installSchema({ address, ...(serviceRole === undefined ? {} : { serviceRole }) })
  return result
}

/** The schema that starting a new cluster made; rows of anybody are never removed. */
async function removeEmptySchema(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ found: string | null }>(
    `select to_regclass('keytrustee.organisations')::text as found`,
  )
  if (rows[0]?.found) {
    const organisations = await client.query('select from keytrustee.organisations limit 1')
    if (organisations.rowCount !== 0)
      throw new DomainError('ERR_ALREADY_EXISTS', 'the database holds organisations already', {
        hints: ['restore into an empty database'],
      })
  }
  await client.query('drop schema if exists keytrustee cascade')
}

async function loadAll<Result>(
  client: pg.Client,
  work: (target: LoadTarget) => Promise<Result>,
): Promise<Result> {
  await client.query('begin')
  await client.query('set local search_path = keytrustee, pg_temp')
  const result = await work({
    async load(table, columns, rows) {
      const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
      const text = `copy keytrustee.${pg.escapeIdentifier(table)} (${list}) from stdin`
      const stream = client.query(copyFrom(text))
      await pipeline(Readable.from(rows), stream)
      return stream.rowCount
    },
  })
  await client.query('commit')
  // New indexes without statistics would be planned badly from the first request on.
  await client.query('analyze')
  return result
}

async function withClient<Result>(
  address: PostgresAddress,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const { query_timeout: _, ...config } = plainConfig(address, defaultTimeouts)
  const client = new pg.Client({ ...config, options: '-c statement_timeout=0' })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } catch (error) {
    throw error instanceof DomainError ? error : translate(error)
  } finally {
    await client.end().catch(() => undefined)
  }
}
