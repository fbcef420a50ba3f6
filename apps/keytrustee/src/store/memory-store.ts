/**
 * A store in this process's memory, for tests and for reading: it passes the same contract suite as PostgreSQL, and
 * forgets everything when the process ends. Transactions run one after the other.
 */
import { lendTransaction } from './lend-transaction.js'
import { MemoryReader } from './memory/reader.js'
import { copyTables, emptyTables, type Tables } from './memory/tables.js'
import { MemoryTransaction } from './memory/transaction.js'
import { onlyCopy, type Reach, type Store, type StoreHealth, type Transaction } from './store.js'

class MemoryStore extends MemoryReader implements Store {
  private committed: Tables
  private queue: Promise<unknown> = Promise.resolve()

  constructor() {
    const tables = emptyTables()
    super(() => this.committed)
    this.committed = tables
  }

  withTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const run = this.queue.then(() => this.runAlone(work))
    this.queue = run.catch(() => undefined)
    return run
  }

  reach(): Reach {
    return onlyCopy
  }

  async probe(): Promise<StoreHealth> {
    return { state: 'ready', detail: 'in memory, not for production' }
  }

  async close(): Promise<void> {
    await this.queue
  }

  private async runAlone<Result>(
    work: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const tables = copyTables(this.committed)
    const transaction = new MemoryTransaction(tables)
    const result = await lendTransaction(transaction, work)
    transaction.checkLimits()
    this.committed = tables
    return result
  }
}

/** Opens an empty store in memory. */
export function openMemoryStore(): Store {
  return new MemoryStore()
}
