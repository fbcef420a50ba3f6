import { newUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Revocation, Store } from '../../../src/store/store.js'
import {
  depositRow,
  enrol,
  minutesAfter,
  newHsmKeyId,
  noon,
  pendingPutRow,
  putDeposit,
  revisionRow,
} from '../../support/rows.js'

export function describePurges(current: () => Store): void {
  const update = (deposit: Parameters<typeof putDeposit>[2] & { uuid: string }, row: object) =>
    current().withTransaction((t) => t.updateDeposit({ ...deposit, ...row } as never))

  describe('purges', () => {
    it('have no way back: not from purging, not from purged', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      await update(deposit, { state: 'purging' })
      expect((await current().listPurging()).map(({ uuid }) => uuid)).toContain(deposit.uuid)
      for (const state of ['active', 'disabled'])
        await expect(update(deposit, { state })).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      const next = { ...deposit, revision: 2 }
      await expect(
        current().withTransaction((t) => t.appendRevision(next, revisionRow(next), deposit)),
      ).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      await update(deposit, { state: 'purged' })
      for (const state of ['active', 'disabled', 'purging'])
        await expect(update(deposit, { state })).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      expect((await current().listPurging()).map(({ uuid }) => uuid)).not.toContain(deposit.uuid)
    })

    it('refuse a new revision of a disabled deposit: a put that was reserved before loses', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client, { state: 'disabled' })
      const next = { ...deposit, revision: 2, state: 'active' as const }
      await expect(
        current().withTransaction((t) => t.appendRevision(next, revisionRow(next), deposit)),
      ).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    })

    it('give the handle back, and leave lists and key uses; the uuid still finds it', async () => {
      const { client } = await enrol(current())
      const { deposit, revision } = await putDeposit(current(), client)
      await update(deposit, { state: 'purging' })
      const again = depositRow(client, { handle: deposit.handle })
      const insert = () =>
        current().withTransaction((t) => t.insertDeposit(again, revisionRow(again)))
      await expect(insert()).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
      await update(deposit, { state: 'purged' })
      await insert()
      expect(await current().findDeposit(deposit)).toEqual(again)
      const { handle } = deposit
      const found = await current().findForRetrieval(client.uuid, { handle })
      expect(found?.deposit.uuid).toBe(again.uuid)
      const byUuid = await current().findForRetrieval(client.uuid, { uuid: deposit.uuid })
      expect(byUuid?.deposit.state).toBe('purged')
      const page = await current().listDeposits({ owner: client.uuid, limit: 9 })
      expect(page.deposits.map(({ uuid }) => uuid)).toEqual([again.uuid])
      expect((await current().listByHandle(handle, 9)).map(({ uuid }) => uuid)).toEqual([
        again.uuid,
      ])
      if (revision.hsmKeyId)
        expect((await current().findHsmKeyUses([revision.hsmKeyId])).size).toBe(0)
    })

    it('count no more against the quota', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      await update(deposit, { state: 'purging' })
      expect((await current().readUsage({ client: client.uuid }, noon)).deposits).toBe(0)
    })

    it('drop the bytes of every revision and keep what is known of them', async () => {
      const { client } = await enrol(current())
      const { deposit, revision } = await putDeposit(current(), client)
      const next = { ...deposit, revision: 2 }
      await current().withTransaction((t) => t.appendRevision(next, revisionRow(next), deposit))
      await current().withTransaction((t) => t.dropStored(deposit.uuid))
      const { stored: _, ...meta } = revision
      const listed = await current().listRevisions(deposit.uuid)
      expect(listed.map(({ revision: number }) => number)).toEqual([1, 2])
      expect(listed[0]).toEqual(meta)
      expect((await current().findRevision(deposit.uuid, 2))?.stored).toHaveLength(0)
      expect(await current().listRevisions(newUuid())).toEqual([])
    })

    it('end what puts under way have reserved, with its count', async () => {
      const { client } = await enrol(current())
      const row = pendingPutRow(client)
      const other = pendingPutRow(client)
      await current().withTransaction(async (t) => {
        await t.insertPendingPut(row)
        await t.insertPendingPut(other)
      })
      await current().withTransaction((t) => t.deletePendingPutsOf(row.deposit))
      const left = (await current().listPendingPuts()).filter((put) => put.client === client.uuid)
      expect(left).toEqual([other])
      expect((await current().readUsage({ client: client.uuid }, noon)).deposits).toBe(1)
    })
  })

  it('keeps revocations: saved again they keep who ordered, and an end once written stays', async () => {
    const { client } = await enrol(current())
    const { deposit } = await putDeposit(current(), client)
    const row: Revocation = {
      deposit: deposit.uuid,
      organisation: deposit.organisation,
      handle: deposit.handle,
      hsmKeyIds: [newHsmKeyId(), newHsmKeyId()],
      sharedRevisions: 1,
      orderedBy: 'alice',
      orderedAt: minutesAfter(noon, 60_000),
      doneAt: undefined,
    }
    const save = (some: Partial<Revocation>) =>
      current().withTransaction((t) => t.saveRevocation({ ...row, ...some }))
    expect(await current().findRevocation(row.deposit)).toBeUndefined()
    await save({})
    expect(await current().findRevocation(row.deposit)).toEqual(row)
    const doneAt = minutesAfter(noon, 60_001)
    await save({ doneAt, hsmKeyIds: [] })
    await save({})
    expect(await current().findRevocation(row.deposit)).toEqual({ ...row, doneAt })
    expect((await current().listRevocations(1))[0]?.deposit).toBe(row.deposit)
    // As old as the first: the uuid decides.
    const twins = [newUuid(), newUuid()].sort().reverse()
    for (const deposit of twins)
      await current().withTransaction((t) =>
        t.saveRevocation({ ...row, deposit, orderedAt: minutesAfter(row.orderedAt, 1) }),
      )
    const page = await current().listRevocations(2, twins[0])
    expect(page.map(({ deposit }) => deposit)).toEqual([twins[1], row.deposit])
    expect(await current().listRevocations(2, newUuid())).toEqual([])
  })
}
