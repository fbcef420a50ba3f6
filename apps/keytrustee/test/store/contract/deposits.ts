import { type Handle, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import type { Deposit, Revision, Store } from '../../../src/store/store.js'
import {
  depositRow,
  enrol,
  fingerprintOf,
  minutesAfter,
  newHsmKeyId,
  noon,
  putDeposit,
  revisionRow,
} from '../../support/rows.js'

export function describeDeposits(current: () => Store): void {
  describeInsert(current)
  describeAppend(current)
  describeUpdate(current)
  describeRetrieval(current)
  describeListing(current)
  describeHsmKeyUses(current)
}

function succession(deposit: Deposit, minutes = 5): Deposit {
  return {
    ...deposit,
    revision: deposit.revision + 1,
    updatedAt: minutesAfter(noon, minutes),
    grant: fingerprintOf(`${deposit.uuid} ${deposit.revision + 1}`),
  }
}

function insert(store: Store, deposit: Deposit, revision: Revision): Promise<void> {
  return store.withTransaction((transaction) => transaction.insertDeposit(deposit, revision))
}

/** `before`: the row that the writer has read; absent: the one that is there. */
async function append(
  store: Store,
  deposit: Deposit,
  revision = revisionRow(deposit),
  before?: Deposit,
): Promise<void> {
  const read = before ?? (await store.findDepositByUuid(deposit.uuid))?.deposit ?? deposit
  await store.withTransaction((transaction) => transaction.appendRevision(deposit, revision, read))
}

function describeInsert(current: () => Store): void {
  describe('insertDeposit', () => {
    it('keeps every column and every byte', async () => {
      const { client } = await enrol(current())
      const deposit = depositRow(client, {
        undeleteUntil: minutesAfter(noon, 1),
        state: 'disabled',
      })
      const stored = Buffer.alloc(300_000, Buffer.from([0, 92, 39, 255, 10, 13]))
      const revision = revisionRow(deposit, { stored, scope: 'organisation', kind: 'rsa-2048' })
      await insert(current(), deposit, revision)
      expect(await current().findDeposit(deposit)).toEqual(deposit)
      const found = await current().findRevision(deposit.uuid, 1)
      expect(found?.stored.equals(stored)).toBe(true)
      const none = Buffer.alloc(0)
      expect({ ...found, stored: none }).toEqual({ ...revision, stored: none })
    })

    it('keeps a pass-through revision without HSM key, and an empty one', async () => {
      const { client } = await enrol(current())
      const deposit = depositRow(client)
      const plain = {
        sealing: 'pass-through',
        stored: Buffer.alloc(0),
        contentBytes: 0,
        hsmKeyId: undefined,
        hsmKeyLabel: undefined,
        scope: undefined,
        kind: undefined,
      } as const
      const revision = revisionRow(deposit, plain)
      await insert(current(), deposit, revision)
      expect(await current().findRevision(deposit.uuid, 1)).toEqual(revision)
    })

    it('refuses a handle its owner has, active or disabled, and leaves the old one unchanged', async () => {
      const { client } = await enrol(current())
      for (const state of ['active', 'disabled'] as const) {
        const { deposit, revision } = await putDeposit(current(), client, { state })
        const again = depositRow(client, { handle: deposit.handle })
        await expect(insert(current(), again, revisionRow(again))).rejects.toMatchObject({
          code: 'ERR_ALREADY_EXISTS',
        })
        expect(await current().findDeposit(deposit)).toEqual(deposit)
        expect(await current().findRevision(deposit.uuid, 1)).toEqual(revision)
        expect(await current().findRevision(again.uuid, 1)).toBeUndefined()
      }
    })

    it('lets another client use the same handle', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      const { deposit } = await putDeposit(current(), client)
      const theirs = await putDeposit(current(), other, { handle: deposit.handle })
      expect(await current().findDeposit(theirs.deposit)).toEqual(theirs.deposit)
      expect(await current().findDeposit(deposit)).toEqual(deposit)
    })

    it('tells handles apart by case', async () => {
      const { client } = await enrol(current())
      await putDeposit(current(), client, { handle: 'Key' as Handle })
      await putDeposit(current(), client, { handle: 'key' as Handle })
    })

    it('refuses one without its owner, or in another organisation than its owner’s', async () => {
      const { client } = await enrol(current())
      const elsewhere = await enrol(current())
      const strays = [
        depositRow(client, { owner: newUuid() }),
        depositRow(client, { organisation: elsewhere.organisation.uuid }),
      ]
      for (const stray of strays) {
        await expect(insert(current(), stray, revisionRow(stray))).rejects.toMatchObject({
          code: 'ERR_NOT_FOUND',
        })
      }
    })
  })
}

function describeAppend(current: () => Store): void {
  describe('appendRevision', () => {
    it('moves the deposit on and keeps the earlier revision', async () => {
      const { client } = await enrol(current())
      const { deposit, revision } = await putDeposit(current(), client)
      const second = succession(deposit)
      const next = revisionRow(second)
      await append(current(), second, next)
      expect(await current().findDeposit(deposit)).toEqual(second)
      expect(await current().findRevision(deposit.uuid, 2)).toEqual(next)
      expect(await current().findRevision(deposit.uuid, 1)).toEqual(revision)
    })

    it('refuses when the revision before is another, or the deposit is not there', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const stale = [succession(succession(deposit)), deposit, depositRow(client, { revision: 2 })]
      for (const row of stale)
        await expect(append(current(), row)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      expect(await current().findDeposit(deposit)).toEqual(deposit)
    })

    it('refuses when the policy was changed since the row was read: it would be undone', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const policy = { maxRetrievals: 1 }
      const changed = { ...deposit, policy, grant: fingerprintOf('changed') }
      await current().withTransaction((transaction) => transaction.updateDeposit(changed))
      const next = succession(deposit)
      const late = append(current(), next, revisionRow(next), deposit)
      await expect(late).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      expect(await current().findDeposit(deposit)).toEqual(changed)
      await append(current(), succession(changed))
      expect(await current().findDeposit(deposit)).toMatchObject({ revision: 2, policy })
    })

    it('lets exactly one of two racing writers win', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const outcomes = await Promise.allSettled(
        [1, 2, 3, 4].map((minutes) => append(current(), succession(deposit, minutes))),
      )
      const refused = outcomes.filter(({ status }) => status === 'rejected')
      expect(refused).toHaveLength(3)
      for (const { reason } of refused as PromiseRejectedResult[])
        expect(reason).toMatchObject({ code: 'ERR_CONFLICT' })
      expect(await current().findDeposit(deposit)).toMatchObject({ revision: 2 })
      expect(await current().findRevision(deposit.uuid, 3)).toBeUndefined()
    })

    it('never changes owner, organisation or creation', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      const { deposit } = await putDeposit(current(), client)
      const second = succession(deposit)
      const disguised = {
        ...second,
        owner: other.uuid,
        createdAt: minutesAfter(noon, 3),
      }
      await append(current(), disguised, revisionRow(second))
      expect(await current().findDeposit(deposit)).toEqual(second)
    })
  })
}

function describeUpdate(current: () => Store): void {
  describe('updateDeposit', () => {
    const update = (deposit: Deposit) =>
      current().withTransaction((transaction) => transaction.updateDeposit(deposit))

    it('disables and enables', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const disabled = {
        ...deposit,
        state: 'disabled' as const,
        updatedAt: minutesAfter(noon, 1),
        undeleteUntil: minutesAfter(noon, 60),
        grant: fingerprintOf('disabled'),
      }
      await update(disabled)
      expect(await current().findDeposit(deposit)).toEqual(disabled)
      await update(deposit)
      expect(await current().findDeposit(deposit)).toEqual(deposit)
    })

    it('gives another handle, if that is free and the former one is still its', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const { deposit: other } = await putDeposit(current(), client)
      const renamed = { ...deposit, handle: `${deposit.handle}-new` as Handle }
      const rename = (row: Deposit, from: Handle) =>
        current().withTransaction((transaction) => transaction.updateDeposit(row, from))
      await rename(renamed, deposit.handle)
      expect(await current().findDeposit(deposit)).toBeUndefined()
      expect(await current().findDeposit(renamed)).toEqual(renamed)
      const taken = { ...renamed, handle: other.handle }
      await expect(rename(taken, renamed.handle)).rejects.toMatchObject({
        code: 'ERR_ALREADY_EXISTS',
      })
      // Whoever still knows it by its former handle changes nothing.
      const conflict = { code: 'ERR_CONFLICT' }
      await expect(rename(deposit, deposit.handle)).rejects.toMatchObject(conflict)
      await expect(update(deposit)).rejects.toMatchObject(conflict)
      await expect(append(current(), succession(deposit))).rejects.toMatchObject(conflict)
      expect(await current().findDeposit(renamed)).toEqual(renamed)
    })

    it('refuses when the deposit has another revision meanwhile, or is not there', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      await append(current(), succession(deposit))
      for (const row of [deposit, depositRow(client)])
        await expect(update(row)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    })
  })
}

function describeRetrieval(current: () => Store): void {
  describe('findForRetrieval and findDepositByUuid', () => {
    it('finds the newest by handle and deposit uuid, an earlier one by its own uuid', async () => {
      const { client } = await enrol(current())
      const { deposit, revision: first } = await putDeposit(current(), client)
      const newest = succession(deposit)
      const second = revisionRow(newest)
      await append(current(), newest, second)
      const find = (uuid: Uuid) => current().findForRetrieval(client.uuid, { uuid })
      const byHandle = await current().findForRetrieval(client.uuid, { handle: deposit.handle })
      expect(byHandle).toEqual({ deposit: newest, revision: second })
      expect(await find(deposit.uuid)).toEqual({ deposit: newest, revision: second })
      expect(await find(second.uuid)).toEqual({ deposit: newest, revision: second })
      expect(await find(first.uuid)).toEqual({ deposit: newest, revision: first })
      const byUuid = (uuid: Uuid) => current().findDepositByUuid(uuid)
      expect(await byUuid(deposit.uuid)).toEqual({ deposit: newest, revision: 2 })
      expect(await byUuid(first.uuid)).toEqual({ deposit: newest, revision: 1 })
      expect(await byUuid(newUuid())).toBeUndefined()
    })

    it('finds nothing of another owner, by handle, deposit uuid or revision uuid', async () => {
      const { organisation, client } = await enrol(current())
      const other = (await enrol(current(), organisation)).client
      const { deposit, revision } = await putDeposit(current(), client)
      const refs = [{ handle: deposit.handle }, { uuid: deposit.uuid }, { uuid: revision.uuid }]
      for (const ref of [...refs, { uuid: newUuid() }, { handle: 'absent' as Handle }])
        expect(await current().findForRetrieval(other.uuid, ref)).toBeUndefined()
    })

    it('finds a disabled one with its state: the operation decides', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client, { state: 'disabled' })
      const found = await current().findForRetrieval(client.uuid, { handle: deposit.handle })
      expect(found?.deposit.state).toBe('disabled')
    })

    it('gives bytes of its own: wiping them leaves the row alone', async () => {
      const { client } = await enrol(current())
      const { deposit, revision } = await putDeposit(current(), client)
      const ref = { handle: deposit.handle }
      const found = await current().findForRetrieval(client.uuid, ref)
      found?.revision.stored.fill(0xee)
      const again = await current().findForRetrieval(client.uuid, ref)
      expect(again?.revision.stored).toEqual(revision.stored)
    })
  })
}

function describeListing(current: () => Store): void {
  describe('listDeposits', () => {
    it('pages through an owner’s deposits in byte order, without stored bytes', async () => {
      const { client } = await enrol(current())
      const handles = ['b', 'a', 'C', 'a.b', 'a-b', 'a_b', '0'] as Handle[]
      for (const handle of handles) await putDeposit(current(), client, { handle })
      const seen: string[] = []
      let after: Handle | undefined
      do {
        const cursor = after === undefined ? {} : { after }
        const page = await current().listDeposits({ owner: client.uuid, limit: 3, ...cursor })
        for (const deposit of page.deposits) expect(deposit.latest).not.toHaveProperty('stored')
        seen.push(...page.deposits.map(({ handle }) => handle))
        after = page.next
      } while (after !== undefined)
      expect(seen).toEqual(['0', 'C', 'a', 'a-b', 'a.b', 'a_b', 'b'])
    })

    it('ends exactly: no next after the last full page', async () => {
      const { client } = await enrol(current())
      for (const handle of ['a', 'b'] as Handle[]) await putDeposit(current(), client, { handle })
      const page = await current().listDeposits({ owner: client.uuid, limit: 2 })
      expect(page.deposits).toHaveLength(2)
      expect(page.next).toBeUndefined()
      const none = await current().listDeposits({ owner: newUuid(), limit: 2 })
      expect(none).toEqual({ deposits: [], next: undefined })
    })

    it('gives each deposit with its newest revision', async () => {
      const { client } = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const newest = succession(deposit)
      const { stored: _, ...latest } = revisionRow(newest)
      await append(current(), newest, { ...latest, stored: Buffer.from('x') })
      const page = await current().listDeposits({ owner: client.uuid, limit: 10 })
      expect(page.deposits).toEqual([{ ...newest, latest }])
    })

    it('loses nobody when owners of one organisation share a handle at the end of a page', async () => {
      const { organisation, client } = await enrol(current())
      const owners = [client, (await enrol(current(), organisation)).client]
      owners.push((await enrol(current(), organisation)).client)
      for (const owner of owners)
        for (const handle of ['same', 'zone'] as Handle[])
          await putDeposit(current(), owner, { handle })
      const filter = { organisation: organisation.uuid, limit: 2 }
      const first = await current().listDeposits(filter)
      expect(first.deposits.map(({ handle }) => handle)).toEqual(['same', 'same', 'same'])
      expect(first.next).toBe('same')
      const second = await current().listDeposits({ ...filter, after: 'same' as Handle })
      expect(second.deposits.map(({ handle }) => handle)).toEqual(['zone', 'zone', 'zone'])
    })

    it('combines owner and organisation, and lists all without either', async () => {
      const { client } = await enrol(current())
      const elsewhere = await enrol(current())
      const { deposit } = await putDeposit(current(), client)
      const filter = { owner: client.uuid, organisation: elsewhere.organisation.uuid, limit: 9 }
      expect((await current().listDeposits(filter)).deposits).toEqual([])
      const all = await current().listDeposits({ limit: 10_000 })
      expect(all.deposits.map(({ uuid }) => uuid)).toContain(deposit.uuid)
    })
  })

  it('counts active deposits', async () => {
    const { client } = await enrol(current())
    const before = await current().countDeposits()
    await putDeposit(current(), client)
    await putDeposit(current(), client, { state: 'disabled' })
    expect(await current().countDeposits()).toBe(before + 1)
  })
}

function describeHsmKeyUses(current: () => Store): void {
  describe('findHsmKeyUses', () => {
    it('names every revision that needs a key, earlier ones too, and skips unused keys', async () => {
      const { client } = await enrol(current())
      const { deposit, revision: first } = await putDeposit(current(), client)
      const newest = succession(deposit)
      const second = revisionRow(newest)
      await append(current(), newest, second)
      const ids = [first.hsmKeyId, second.hsmKeyId, newHsmKeyId()].filter((id) => id !== undefined)
      const uses = await current().findHsmKeyUses(ids)
      const use = (revision: number) => ({
        deposit: deposit.uuid,
        handle: deposit.handle,
        revision,
      })
      expect(uses).toEqual(
        new Map([
          [ids[0], [use(1)]],
          [ids[1], [use(2)]],
        ]),
      )
      expect(await current().findHsmKeyUses([])).toEqual(new Map())
    })

    it('gives as many uses of a shared key as were asked for', async () => {
      const { client } = await enrol(current())
      const hsmKeyId = newHsmKeyId()
      for (let count = 0; count < 4; count += 1) {
        const deposit = depositRow(client)
        await insert(current(), deposit, revisionRow(deposit, { hsmKeyId, scope: 'service' }))
      }
      expect((await current().findHsmKeyUses([hsmKeyId])).get(hsmKeyId)).toHaveLength(4)
      expect((await current().findHsmKeyUses([hsmKeyId], 2)).get(hsmKeyId)).toHaveLength(2)
    })
  })

  describe('the HSM keys that deposits need', () => {
    it('come in pages, in the order of their ids, without those of purged deposits', async () => {
      const { client } = await enrol(current())
      const kept = await putDeposit(current(), client)
      const purged = await putDeposit(current(), client)
      for (const state of ['purging', 'purged'] as const)
        await current().withTransaction((transaction) =>
          transaction.updateDeposit({ ...purged.deposit, state }),
        )
      const all: string[] = []
      for (let page = await current().listHsmKeyIds({ limit: 1 }); page[0] !== undefined; ) {
        all.push(page[0])
        page = await current().listHsmKeyIds({ after: page[0], limit: 1 })
      }
      expect(all).toContain(kept.revision.hsmKeyId)
      expect(all).not.toContain(purged.revision.hsmKeyId)
      expect(all).toEqual([...all].sort())
    })

    it('are counted by revision after an instant', async () => {
      const { client } = await enrol(current())
      const { revision } = await putDeposit(current(), client)
      const before = new Date(revision.createdAt.getTime() - 1)
      const least = await current().countSealedAfter(revision.createdAt)
      expect(await current().countSealedAfter(before)).toBeGreaterThan(least)
    })
  })
}
