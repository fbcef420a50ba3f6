/** BEGIN, work, COMMIT: what becomes of a transaction is decided here and nowhere else. */
import type pg from 'pg'
import { lendTransaction } from '../lend-transaction.js'
import { CommitUnknown, type Transaction } from '../store.js'
import { queriesOn } from './pool.js'
import type { Queries, Result, Statement, Value } from './queries.js'
import {
  refusedForEarlierFailure,
  refusesCommit,
  translate,
  warnsOfCommit,
  worthRepeating,
} from './sqlstate.js'
import { TransactionVerbs } from './transaction-verbs.js'

/** After the first, for serialisation failures and deadlocks. */
const repetitions = 2

type Work<Done> = (transaction: Transaction) => Promise<Done>

/** @see Store.withTransaction */
export async function withTransaction<Done>(pool: pg.Pool, work: Work<Done>): Promise<Done> {
  for (let left = repetitions; ; left -= 1) {
    try {
      return await runOnce(pool, work)
    } catch (error) {
      if (left === 0 || !worthRepeating(error)) throw error
    }
  }
}

async function runOnce<Done>(pool: pg.Pool, work: Work<Done>): Promise<Done> {
  const connection = new TransactionConnection(await connect(pool))
  const verbs = new TransactionVerbs(connection)
  try {
    const result = await lendTransaction(verbs, async (transaction) => {
      const done = await work(transaction)
      await verbs.checkWhatWasFound()
      return done
    })
    await connection.commit(verbs)
    return result
  } catch (error) {
    await connection.rollback()
    throw connection.causeOf(error)
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

class TransactionConnection implements Queries {
  /** BEGIN is on its way before the first statement; nobody waits for its answer alone. */
  private readonly begun: Promise<void>
  private readonly client: pg.PoolClient
  private readonly queries: Queries
  private firstFailure: unknown
  private state: 'open' | 'lost' | 'over' = 'open'
  private readonly onLost = () => {
    this.state = 'lost'
  }

  constructor(client: pg.PoolClient) {
    this.client = client
    this.queries = queriesOn(client)
    client.once('error', this.onLost)
    client.once('end', this.onLost)
    this.begun = client.query('begin').then(
      () => undefined,
      (error: unknown) => Promise.reject(translate(error)),
    )
    // The first statement fails as well then, and is the one that is heard.
    this.begun.catch(() => undefined)
  }

  async run(statement: Statement, values: readonly Value[]): Promise<Result> {
    try {
      return await this.queries.run(statement, values)
    } catch (error) {
      this.firstFailure ??= error
      throw error
    }
  }

  /** A statement that nobody waited for may have failed before: then later ones are only refused for its sake. */
  causeOf(error: unknown): unknown {
    return refusedForEarlierFailure(error) ? (this.firstFailure ?? error) : error
  }

  /**
   * Sends the last statement and COMMIT together: when one of the statements failed, PostgreSQL rolls back instead.
   * @throws CommitUnknown when no answer says what became of it, or the standby did not confirm it
   */
  async commit(verbs: TransactionVerbs): Promise<void> {
    if (this.state === 'lost') throw translate(new Error('the connection was lost before COMMIT'))
    verbs.saveUsage()
    let warning: unknown
    const notice = (message: { readonly code?: string | undefined }) => {
      if (warnsOfCommit(message)) warning = message
    }
    this.client.on('notice', notice)
    const { command } = await this.client
      .query('commit')
      .catch((error: unknown) => {
        throw refusesCommit(error) ? translate(error) : this.unknown(error)
      })
      .finally(() => this.client.off('notice', notice))
    if (warning !== undefined) throw this.unknown(warning)
    this.state = 'over'
    await Promise.all([this.begun, verbs.answers()])
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
