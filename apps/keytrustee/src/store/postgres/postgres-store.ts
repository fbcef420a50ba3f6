import type pg from 'pg'
import { onlyCopy, type Reach, type Store, type StoreHealth, type Transaction } from '../store.js'
import type { PostgresAddress } from './address.js'
import { checkSettings } from './check-settings.js'
import { DiskRoom } from './disk-room.js'
import { defaultTimeouts, makePool, queriesOn, type Timeouts } from './pool.js'
import { readHealth } from './read-health.js'
import { PostgresReader } from './reader.js'
import { checkSchema } from './schema-version.js'
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

  reach(): Reach {
    return onlyCopy
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
