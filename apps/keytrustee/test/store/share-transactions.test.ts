import { DomainError } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { openMemoryStore } from '../../src/store/memory-store.js'
import { shareTransactions } from '../../src/store/share-transactions.js'
import { CommitUnknown, type Store, type Transaction } from '../../src/store/store.js'
import { enrol, pendingPutRow } from '../support/rows.js'

/** A store that counts its transactions; `fault` may throw instead of one, by its number. */
function counting(fault: (transaction: number) => Error | undefined = () => undefined) {
  const store = openMemoryStore()
  let transactions = 0
  const withTransaction: Store['withTransaction'] = (work) => {
    transactions += 1
    const failure = fault(transactions)
    return failure ? Promise.reject(failure) : store.withTransaction(work)
  }
  return { store, shared: shareTransactions({ withTransaction }), count: () => transactions }
}

const answer = (value: number) => async () => value

describe('shareTransactions', () => {
  test('runs one at once, and those that came meanwhile together', async () => {
    const { shared, count } = counting()
    const all = [1, 2, 3, 4, 5].map((value) => shared.run('one', answer(value)))
    expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5])
    expect(count()).toBe(2)
    expect(await shared.run('one', answer(6))).toBe(6)
    expect(count()).toBe(3)
  })

  test('at most 32 together, and never those of another key', async () => {
    const { shared, count } = counting()
    const one = Array.from({ length: 66 }, (_, value) => shared.run('one', answer(value)))
    const other = [shared.run('other', answer(1))]
    await Promise.all([...one, ...other])
    expect(count()).toBe(1 + 32 / 32 + 32 / 32 + 1 + 1)
  })

  test('each sees what those before it wrote', async () => {
    const { store, shared } = counting()
    const { client } = await enrol(store)
    const reserve = async (transaction: Transaction) => {
      const { deposits } = await transaction.readUsage({ client: client.uuid }, client.createdAt)
      await transaction.insertPendingPut(pendingPutRow(client))
      return deposits
    }
    const all = Array.from({ length: 5 }, () => shared.run('one', reserve))
    expect(await Promise.all(all)).toEqual([0, 1, 2, 3, 4])
  })

  test('a failed one fails alone, and what it wrote is not kept', async () => {
    const { store, shared } = counting()
    const { client } = await enrol(store)
    const keep = async (transaction: Transaction) =>
      transaction.insertPendingPut(pendingPutRow(client))
    const fail = async (transaction: Transaction) => {
      await transaction.insertPendingPut(pendingPutRow(client))
      throw new DomainError('ERR_QUOTA', 'used up')
    }
    const results = await Promise.allSettled(
      [keep, keep, fail, keep].map((work) => shared.run('one', work)),
    )
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
    ])
    expect(results[2]).toMatchObject({ reason: { code: 'ERR_QUOTA' } })
    expect(await store.listPendingPuts()).toHaveLength(3)
  })

  test.each([
    ['an unknown commit', () => new CommitUnknown(new Error('lost'))],
    ['a database that is away', () => new DomainError('ERR_STORE_UNAVAILABLE', 'away')],
  ])('%s is the answer to all, and is not tried again', async (_, failure) => {
    const { shared, count } = counting((transaction) => (transaction === 2 ? failure() : undefined))
    const all = [1, 2, 3].map((value) => shared.run('one', answer(value)))
    const results = await Promise.allSettled(all)
    expect(results[0]).toMatchObject({ value: 1 })
    for (const result of results.slice(1))
      expect(result).toMatchObject({ reason: { code: 'ERR_STORE_UNAVAILABLE' } })
    expect(count()).toBe(2)
    expect(await shared.run('one', answer(4))).toBe(4)
  })
})
