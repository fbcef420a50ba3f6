/**
 * Transactions that would wait for each other share one: those of an organisation take turns anyway, because the row of its
 * count is locked until the commit is on disk. So many puts cost one commit together.
 */
import { hasCode } from '@keyhsm/core'
import type { Store, Transaction } from './store.js'

type Work<Result> = (transaction: Transaction) => Promise<Result>

export interface SharedTransactions {
  /**
   * As {@link Store.withTransaction}, for works with the same `key` one after the other, several of them perhaps in one
   * transaction. A failed work never fails another; works may be run twice, so they must only touch the transaction.
   */
  run<Result>(key: string, work: Work<Result>): Promise<Result>
}

interface Waiting {
  readonly work: Work<unknown>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

/** Bounds how long the first of them waits for the last. */
const most = 32

export function shareTransactions(store: Pick<Store, 'withTransaction'>): SharedTransactions {
  const queues = new Map<string, Waiting[]>()
  const drain = async (key: string, queue: Waiting[]): Promise<void> => {
    while (queue.length > 0) await runTogether(store, queue.splice(0, most))
    queues.delete(key)
  }
  return {
    run<Result>(key: string, work: Work<Result>): Promise<Result> {
      return new Promise<Result>((resolve, reject) => {
        const waiting = { work, resolve: (result: unknown) => resolve(result as Result), reject }
        const queue = queues.get(key)
        if (queue) {
          queue.push(waiting)
          return
        }
        const first = [waiting]
        queues.set(key, first)
        void drain(key, first)
      })
    },
  }
}

/** Never throws. */
async function runTogether(
  store: Pick<Store, 'withTransaction'>,
  all: readonly Waiting[],
): Promise<void> {
  try {
    const results = await store.withTransaction((transaction) => oneByOne(transaction, all))
    for (const [index, { resolve }] of all.entries()) resolve(results[index])
  } catch (error) {
    // The database's own failure, a commit that is unknown among them, is everybody's.
    if (all.length === 1 || hasCode(error, 'ERR_STORE_UNAVAILABLE'))
      for (const { reject } of all) reject(error)
    // Nothing was committed: each by itself shows whose failure it was.
    else for (const one of all) await runTogether(store, [one])
  }
}

/** One after the other, so that each sees what those before it have counted. */
async function oneByOne(
  transaction: Transaction,
  all: readonly Waiting[],
): Promise<readonly unknown[]> {
  const results: unknown[] = []
  for (const { work } of all) results.push(await work(transaction))
  return results
}
