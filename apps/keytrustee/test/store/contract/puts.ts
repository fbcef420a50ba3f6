import { newUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Client, PendingPut, Store } from '../../../src/store/store.js'
import {
  answerOf,
  depositRow,
  enrol,
  fingerprintOf,
  minutesAfter,
  noon,
  pendingPutRow,
  putDeposit,
  putFactsOf,
  requestRow,
  revisionRow,
} from '../../support/rows.js'

export function describePuts(current: () => Store): void {
  describePending(current)
  describeRequests(current)
  describeFacts(current)
}

function describePending(current: () => Store): void {
  describe('pending puts', () => {
    const insert = (row: PendingPut) =>
      current().withTransaction((transaction) => transaction.insertPendingPut(row))
    const remove = (row: PendingPut) =>
      current().withTransaction((transaction) =>
        transaction.deletePendingPut(row.requestId, row.client, row.handle),
      )

    it('are listed oldest first until they are removed', async () => {
      const { client } = await enrol(current())
      const late = pendingPutRow(client, { startedAt: minutesAfter(noon, 2) })
      const early = pendingPutRow(client, { startedAt: minutesAfter(noon, 1), revision: 3 })
      await insert(late)
      await insert(early)
      const mine = async () =>
        (await current().listPendingPuts()).filter(({ client: uuid }) => uuid === client.uuid)
      expect(await mine()).toEqual([early, late])
      expect(await remove(early)).toBe(true)
      expect(await remove(early)).toBe(false)
      expect(await mine()).toEqual([late])
    })

    it('are one for each handle of a request: a batch has several', async () => {
      const { client } = await enrol(current())
      const row = pendingPutRow(client)
      await insert(row)
      await insert({ ...pendingPutRow(client), requestId: row.requestId })
      await expect(insert(row)).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    })

    it('belong to a client: another’s equal request id is another put', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      const row = pendingPutRow(client)
      await insert(row)
      expect(await remove({ ...row, client: other.uuid })).toBe(false)
      await insert({ ...row, client: other.uuid })
    })

    it('refuses one of an unknown client', async () => {
      const { client } = await enrol(current())
      await expect(insert(pendingPutRow(client, { client: newUuid() }))).rejects.toMatchObject({
        code: 'ERR_NOT_FOUND',
      })
    })
  })
}

function describeRequests(current: () => Store): void {
  describe('request ids', () => {
    it('gives the same answer again to the same client only', async () => {
      const { client } = await enrol(current())
      const result = requestRow(client, { reply: '{"text":"quote \\" ü"}' })
      await current().withTransaction((transaction) => transaction.insertRequest(result))
      expect(await answerOf(current(), client, result.requestId)).toEqual(result)
      const stranger = { ...client, uuid: newUuid() }
      expect(await answerOf(current(), stranger, result.requestId)).toBeUndefined()
      expect(await answerOf(current(), client, newUuid())).toBeUndefined()
    })

    it('lets one of two racing equal requests win', async () => {
      const { client } = await enrol(current())
      const result = requestRow(client)
      const insert = (reply: string) =>
        current().withTransaction((transaction) => transaction.insertRequest({ ...result, reply }))
      const outcomes = await Promise.allSettled([insert('1'), insert('2')])
      const rejected = outcomes.find((outcome) => outcome.status === 'rejected')
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect(rejected?.reason).toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    })

    it('forgets old ones and says how many', async () => {
      const { client } = await enrol(current())
      const old = new Date('2001-01-01T00:00:00Z')
      const rows = [
        requestRow(client, { createdAt: old }),
        requestRow(client, { createdAt: old, requestHash: fingerprintOf('other') }),
        requestRow(client, { createdAt: minutesAfter(old, 1) }),
      ] as const
      await current().withTransaction(async (transaction) => {
        for (const row of rows) await transaction.insertRequest(row)
      })
      const forget = () =>
        current().withTransaction((transaction) =>
          transaction.deleteRequestsBefore(minutesAfter(old, 1)),
        )
      expect(await forget()).toBe(2)
      expect(await forget()).toBe(0)
      expect(await answerOf(current(), client, rows[0].requestId)).toBeUndefined()
      expect(await answerOf(current(), client, rows[2].requestId)).toEqual(rows[2])
    })
  })
}

function describeFacts(current: () => Store): void {
  describe('what a put is planned with', () => {
    it('is nothing for a new client', async () => {
      const { client } = await enrol(current())
      const handles = [depositRow(client).handle]
      expect(await putFactsOf(current(), client, { handles })).toEqual({
        answer: undefined,
        deposits: [],
        client: { deposits: 0, hsmKeys: 0 },
        organisation: { deposits: 0, hsmKeys: 0 },
      })
    })

    it('is the client’s own deposits under these handles, and what client and organisation use', async () => {
      const { organisation, client } = await enrol(current())
      const colleague = (await enrol(current(), organisation)).client
      const put = async (owner: Client) => (await putDeposit(current(), owner)).deposit
      const mine = [await put(client), await put(client)]
      const theirs = await put(colleague)
      await put(client)
      await current().withTransaction((transaction) =>
        transaction.recordHsmKeys(
          { client: colleague.uuid, organisation: organisation.uuid },
          2,
          noon,
        ),
      )
      const handles = [...mine, theirs].map(({ handle }) => handle)
      const facts = await putFactsOf(current(), client, { handles })
      const sorted = (deposits: readonly { readonly uuid: string }[]) =>
        deposits.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1))
      expect(sorted(facts.deposits)).toEqual(sorted(mine))
      expect(facts).toMatchObject({
        answer: undefined,
        client: { deposits: 3, hsmKeys: 0 },
        organisation: { deposits: 4, hsmKeys: 2 },
      })
    })

    it('leaves out a purged deposit, which has given its handle back', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const handles = [deposit.handle]
      const turn = (state: 'purging' | 'purged') =>
        current().withTransaction((transaction) => transaction.updateDeposit({ ...deposit, state }))
      await turn('purging')
      expect((await putFactsOf(current(), client, { handles })).deposits).toHaveLength(1)
      await turn('purged')
      expect((await putFactsOf(current(), client, { handles })).deposits).toEqual([])
    })

    it('is the answer, once there is one, with the quotas', async () => {
      const { client } = await enrol(current())
      const { handle } = (await putDeposit(current(), client)).deposit
      const result = requestRow(client)
      await current().withTransaction((transaction) => transaction.insertRequest(result))
      const o = { handles: [handle], requestId: result.requestId }
      expect(await putFactsOf(current(), client, o)).toEqual({
        answer: result,
        deposits: [],
        client: { deposits: 1, hsmKeys: 0 },
        organisation: { deposits: 1, hsmKeys: 0 },
      })
    })

    it('counts what its own transaction has changed', async () => {
      const { client } = await enrol(current())
      const deposit = depositRow(client)
      await current().withTransaction(async (transaction) => {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        await transaction.insertPendingPut(pendingPutRow(client))
        const facts = await putFactsOf(transaction, client, { handles: [deposit.handle] })
        expect(facts).toMatchObject({
          deposits: [deposit],
          client: { deposits: 2 },
          organisation: { deposits: 2 },
        })
      })
    })
  })
}
