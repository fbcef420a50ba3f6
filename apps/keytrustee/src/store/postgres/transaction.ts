/** BEGIN, work, COMMIT: what becomes of a transaction is decided here and nowhere else. */
import type pg from 'pg'
import { lendTransaction } from '../lend-transaction.js'
import { CommitUnknown, type Transaction } from '../store.js'
import { queriesOn } from './pool.js'
import { refusesCommit, translate, worthRepeating } from './sqlstate.js'
import { TransactionVerbs } from './transaction-verbs.js'

/** After the first, for serialisation failures and deadlocks. */
const repetitions = 2

type Work<Result> = (transaction: Transaction) => Promise<Result>

/** @see Store.withTransaction */
export async function withTransaction<Result>(pool: pg.Pool, work: Work<Result>): Promise<Result> {
  for (let left = repetitions; ; left -= 1) {
    try {
      return await runOnce(pool, work)
    } catch (error) {
      if (left === 0 || !worthRepeating(error)) throw error
    }
  }
}

async function runOnce<Result>(pool: pg.Pool, work: Work<Result>): Promise<Result> {
  const connection = new TransactionConnection(await connect(pool))
  try {
    const verbs = new TransactionVerbs(queriesOn(connection.client))
    const result = await lendTransaction(verbs, async (transaction) => {
      // BEGIN is on its way before the first statement; its answer is awaited with the work's.
      const [done] = await Promise.all([work(transaction), connection.begun])
      return done
    })
    await connection.commit(() => verbs.saveUsage())
    return result
  } catch (error) {
    await connection.rollback()
    throw error
  } finally {
    connection.release()
  }
}

async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await pool.connect()
  } catch (error) {
    throw translate(error)
  }
}

class TransactionConnection {
  readonly client: pg.PoolClient
  readonly begun: Promise<void>
  private state: 'open' | 'lost' | 'over' = 'open'
  private readonly onLost = () => {
    this.state = 'lost'
  }

  constructor(client: pg.PoolClient) {
    this.client = client
    client.once('error', this.onLost)
    client.once('end', this.onLost)
    this.begun = client.query('begin').then(
      () => undefined,
      (error: unknown) => Promise.reject(translate(error)),
    )
    // The first statement fails as well then, and is the one that is heard.
    this.begun.catch(() => undefined)
  }

  /**
   * Sends `last` and COMMIT together: when `last` fails, PostgreSQL answers COMMIT by rolling back.
   * @throws CommitUnknown when no answer says what became of it
   */
  async commit(last: () => Promise<void>): Promise<void> {
    if (this.state === 'lost') throw translate(new Error('the connection was lost before COMMIT'))
    const saved = last()
    saved.catch(() => undefined)
    const { command } = await this.client.query('commit').catch((error: unknown) => {
      throw refusesCommit(error) ? translate(error) : this.unknown(error)
    })
    await saved
    this.state = 'over'
    if (command !== 'COMMIT') throw translate(new TypeError(`COMMIT was answered by ${command}`))
  }

  /** Never throws: a connection that cannot roll back is closed, and PostgreSQL rolls back by itself. */
  async rollback(): Promise<void> {
    if (this.state !== 'open') return
    await this.client.query('rollback').then(
      () => {
        this.state = 'over'
      },
      () => this.onLost(),
    )
  }

  release(): void {
    this.client.off('error', this.onLost)
    this.client.off('end', this.onLost)
    this.client.release(this.state !== 'over')
  }

  private unknown(error: unknown): CommitUnknown {
    this.state = 'lost'
    return new CommitUnknown(error)
  }
}
