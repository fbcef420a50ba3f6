import { newUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { PendingPut, Store } from '../../../src/store/store.js'
import {
  enrol,
  fingerprintOf,
  minutesAfter,
  noon,
  pendingPutRow,
  requestRow,
} from '../../support/rows.js'

export function describePuts(current: () => Store): void {
  describePending(current)
  describeRequests(current)
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
      expect(await current().findRequest(result.requestId, client.uuid)).toEqual(result)
      expect(await current().findRequest(result.requestId, newUuid())).toBeUndefined()
      expect(await current().findRequest(newUuid(), client.uuid)).toBeUndefined()
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
      expect(await current().findRequest(rows[0].requestId, client.uuid)).toBeUndefined()
      expect(await current().findRequest(rows[2].requestId, client.uuid)).toEqual(rows[2])
    })
  })
}
