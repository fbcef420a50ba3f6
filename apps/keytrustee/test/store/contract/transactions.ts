import { DomainError } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Client, Store, Transaction } from '../../../src/store/store.js'
import {
  answerOf,
  depositRow,
  enrol,
  pendingPutRow,
  putDeposit,
  requestRow,
  revisionRow,
} from '../../support/rows.js'

async function deposits(store: Store, client: Client): Promise<number> {
  return (await store.readUsage({ client: client.uuid }, client.createdAt)).deposits
}

export function describeTransactions(current: () => Store): void {
  describe('withTransaction', () => {
    it('gives the result of its work', async () => {
      expect(await current().withTransaction(async () => 42)).toBe(42)
    })

    it('keeps all or nothing when the work throws, and throws its error', async () => {
      const { client } = await enrol(current())
      const deposit = depositRow(client)
      const request = requestRow(client)
      const work = current().withTransaction(async (transaction) => {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        await transaction.insertRequest(request)
        throw new DomainError('ERR_QUOTA', 'changed its mind')
      })
      await expect(work).rejects.toMatchObject({ code: 'ERR_QUOTA' })
      expect(await current().findDeposit(deposit)).toBeUndefined()
      expect(await answerOf(current(), client, request.requestId)).toBeUndefined()
    })

    it('sees its own rows; others see them only when it is committed', async () => {
      const { client } = await enrol(current())
      const deposit = depositRow(client)
      await current().withTransaction(async (transaction) => {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        expect(await transaction.findDeposit(deposit)).toEqual(deposit)
        const found = await transaction.findForRetrieval(client.uuid, { handle: deposit.handle })
        expect(found?.deposit).toEqual(deposit)
        expect(await current().findDeposit(deposit)).toBeUndefined()
      })
      expect(await current().findDeposit(deposit)).toEqual(deposit)
    })

    it('commits nothing after a failed verb, even when the work caught it', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const other = depositRow(client)
      const failures = [
        (transaction: Transaction) => transaction.insertDeposit(deposit, revisionRow(deposit)),
        (transaction: Transaction) => transaction.updateDeposit({ ...deposit, revision: 7 }),
      ]
      for (const [index, fail] of failures.entries()) {
        const work = current().withTransaction(async (transaction) => {
          await transaction.insertDeposit(other, revisionRow(other))
          await fail(transaction).catch(() => undefined)
          await transaction.insertPendingPut(pendingPutRow(client)).catch(() => undefined)
        })
        const code = index === 0 ? 'ERR_ALREADY_EXISTS' : 'ERR_CONFLICT'
        await expect(work).rejects.toMatchObject({ code })
      }
      expect(await current().findDeposit(other)).toBeUndefined()
    })

    it('names the verb that failed first, not what it made fail', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const work = current().withTransaction(async (transaction) => {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        await transaction.findDeposit(deposit)
        await transaction.lockOrganisation(client.uuid)
      })
      await expect(work).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    })

    it('runs verbs that are called together in the order of their calls', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const disabled = { ...deposit, state: 'disabled' as const }
      const of = { client: client.uuid }
      const answers = await current().withTransaction((transaction) =>
        Promise.all([
          transaction.lockOrganisation(client.organisation),
          transaction.findDeposit(deposit),
          transaction.updateDeposit(disabled),
          transaction.findDeposit(deposit),
          transaction.insertRequest(requestRow(client)),
          transaction.readUsage(of, client.createdAt),
        ]),
      )
      expect(answers[1]).toEqual(deposit)
      expect(answers[3]).toEqual(disabled)
      expect(await current().readUsage(of, client.createdAt)).toMatchObject({ deposits: 0 })
    })

    it('is over when its work is: a leaked one writes nothing', async () => {
      const { client } = await enrol(current())
      let leaked: Transaction | undefined
      await current().withTransaction(async (transaction) => {
        leaked = transaction
      })
      const late = leaked?.insertPendingPut(pendingPutRow(client))
      await expect(late).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
    })

    it('runs 40 at once, each with its own rows', async () => {
      const { client } = await enrol(current())
      const deposits = await Promise.all(
        Array.from({ length: 40 }, async () => (await putDeposit(current(), client)).deposit),
      )
      for (const deposit of deposits) expect(await current().findDeposit(deposit)).toEqual(deposit)
    })

    it('keeps 47 deposits with answers in one, in whatever sizes they are sent, or none', async () => {
      const { client } = await enrol(current())
      const rows = Array.from({ length: 47 }, () => ({
        deposit: depositRow(client),
        request: requestRow(client),
      }))
      const insertAll = (more: typeof rows) =>
        current().withTransaction(async (transaction) => {
          for (const { deposit, request } of more) {
            await transaction.insertDeposit(deposit, revisionRow(deposit))
            await transaction.insertRequest(request)
          }
        })
      const twice = [...rows, ...rows.slice(40, 41)]
      await expect(insertAll(twice)).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
      expect(await deposits(current(), client)).toBe(0)
      await insertAll(rows)
      expect(await deposits(current(), client)).toBe(47)
      for (const { deposit, request } of rows) {
        expect(await current().findDeposit(deposit)).toEqual(deposit)
        expect(await answerOf(current(), client, request.requestId)).toEqual(request)
      }
    })

    it('counts what others did while it waited for the lock of an organisation', async () => {
      const { client } = await enrol(current())
      const count = async (transaction: Transaction) => {
        await transaction.readUsage({ client: client.uuid }, client.createdAt)
        await transaction.lockOrganisation(client.organisation)
        const usage = await transaction.readUsage({ client: client.uuid }, client.createdAt)
        const deposit = depositRow(client)
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        return usage.deposits
      }
      const seen = await Promise.all(
        Array.from({ length: 6 }, () => current().withTransaction(count)),
      )
      expect(seen.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5])
    })

    it('goes on after a failed one', async () => {
      const { client } = await enrol(current())
      const fail = current().withTransaction(() => Promise.reject(new Error('foreign')))
      await expect(fail).rejects.toThrow('foreign')
      await putDeposit(current(), client)
    })
  })

  it('is ready, and says so in one line', async () => {
    const health = await current().probe()
    expect(health.state).toBe('ready')
    expect(health.detail).toMatch(/^[^\n]{4,}$/)
  })
}
