import type pg from 'pg'
import type { Store, StoreHealth, Transaction } from '../store.js'
import type { PostgresAddress } from './address.js'
import { checkSettings, findFaults } from './check-settings.js'
import { DiskRoom } from './disk-room.js'
import { checkSchema } from './install-schema.js'
import { defaultTimeouts, makePool, queriesOn, type Timeouts } from './pool.js'
import { findAll, type Queries } from './queries.js'
import { PostgresReader } from './reader.js'
import { withTransaction } from './transaction.js'

export interface PostgresStoreOptions {
  readonly address: PostgresAddress
  /** `private`: made by this product, held to stricter settings. */
  readonly cluster: 'private' | 'external'
  readonly timeouts?: Partial<Timeouts>
  /** For statements outside of transactions. Default 8. */
  readonly maxReaders?: number
  /** For transactions: those that wait for a lock must not keep others from reading. Default 8. */
  readonly maxWriters?: number
}

const health = {
  name: 'health',
  text: `select name, setting, current_setting('server_version') as version,
      pg_catalog.pg_is_in_recovery()::text as standby
    from pg_catalog.pg_settings
    where name in ('fsync', 'full_page_writes', 'data_checksums', 'synchronous_commit')`,
}

/**
 * Connects to a database whose schema is installed.
 *
 * @throws ERR_SETTINGS when its settings would lose commits, its schema is not this code's, or it refuses the role;
 *   ERR_STORE_UNAVAILABLE when it cannot be reached
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { address, cluster } = options
  const timeouts = { ...defaultTimeouts, ...options.timeouts }
  await checkSchema(address)
  const session = await checkSettings(address, timeouts, cluster)
  const makeOne = (maxConnections = 8) => makePool({ address, session, timeouts, maxConnections })
  return new PostgresStore(makeOne(options.maxReaders), makeOne(options.maxWriters), cluster)
}

class PostgresStore extends PostgresReader implements Store {
  private readonly readers: pg.Pool
  private readonly writers: pg.Pool
  private readonly cluster: 'private' | 'external'
  private readonly room: DiskRoom

  constructor(readers: pg.Pool, writers: pg.Pool, cluster: 'private' | 'external') {
    super(queriesOn(readers))
    this.readers = readers
    this.writers = writers
    this.cluster = cluster
    this.room = new DiskRoom(writers)
  }

  withTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return withTransaction(this.writers, work).catch((error: unknown) => {
      this.room.notice(error)
      throw error
    })
  }

  async probe(): Promise<StoreHealth> {
    try {
      const found = await readHealth(this.queries, this.cluster)
      const fault = found.state === 'ready' ? await this.room.findFault() : undefined
      return fault === undefined ? found : { state: 'unavailable', detail: fault }
    } catch (error) {
      const detail = error instanceof Error ? error.message : 'the database is not available'
      return { state: 'unavailable', detail }
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.readers.end(), this.writers.end()])
  }
}

async function readHealth(queries: Queries, cluster: 'private' | 'external'): Promise<StoreHealth> {
  const rows = await findAll(queries, health, [], (row) => ({
    setting: [row.text('name'), row.text('setting')] as const,
    version: row.text('version'),
    standby: row.text('standby') === 'true',
  }))
  const [fault] = findFaults(new Map(rows.map(({ setting }) => setting)), cluster)
  if (fault) return { state: 'unavailable', detail: `${fault.field} ${fault.rule}` }
  const { version = '', standby = false } = rows[0] ?? {}
  const role = standby ? ', standby: retrievals only' : ''
  return { state: 'ready', detail: `PostgreSQL ${version}${role}` }
}
