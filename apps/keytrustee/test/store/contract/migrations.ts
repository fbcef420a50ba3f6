import { newUuid, type Uuid } from '@keyhsm/core'
import { beforeEach, describe, expect, it } from 'vitest'
import type {
  Client,
  Deposit,
  MigrationProgress,
  Revision,
  Selection,
  Store,
  StoredForm,
  Transaction,
} from '../../../src/store/store.js'
import {
  enrol,
  fingerprintOf,
  minutesAfter,
  newHsmKeyId,
  noon,
  putDeposit,
  revisionRow,
} from '../../support/rows.js'

export function progressRow(some: Partial<MigrationProgress> = {}): MigrationProgress {
  return {
    uuid: newUuid(),
    state: 'running',
    source: 'pass-through',
    target: 'hsm',
    startedBy: 'admin',
    startedAt: noon,
    updatedAt: noon,
    endedAt: undefined,
    total: 3,
    moved: 0,
    overtaken: 0,
    cursor: undefined,
    note: undefined,
    ...some,
  }
}

export function describeMigrations(current: () => Store): void {
  const write = <Result>(work: (t: Transaction) => Promise<Result>) =>
    current().withTransaction(work)

  describe('migrations', () => {
    // A partition of this test alone: other rows of the store are of no interest to it.
    let canary: ReturnType<typeof fingerprintOf>
    let client: Client
    beforeEach(async () => {
      canary = fingerprintOf(newUuid())
      client = (await enrol(current())).client
    })

    async function put(some: Partial<Revision> = {}, state: Partial<Deposit> = {}) {
      const { deposit, revision } = await putDeposit(current(), client, state)
      const next = { ...deposit, revision: 2 }
      const second = revisionRow(next, { canary, ...some })
      if (deposit.state === 'active') await write((t) => t.appendRevision(next, second, deposit))
      return { deposit: next, first: revision, second }
    }

    const selection = (some: Partial<Selection> = {}): Selection => ({
      from: { sealing: 'hsm', canary },
      to: { sealing: 'hsm', canary: fingerprintOf('elsewhere') },
      ...some,
    })
    const macs = { before: 'of before', next: 'of next', swappable: true }
    const page = { limit: 10, maxBytes: 1e6 }
    const moved = (o: Partial<StoredForm> = {}): StoredForm => ({
      sealing: 'hsm',
      stored: Buffer.from('new form'),
      hsmKeyId: newHsmKeyId(),
      hsmKeyLabel: 'a-aaaa-bbbb-2026-03-04',
      scope: 'deposit',
      kind: 'rsa-2048',
      canary: fingerprintOf('elsewhere'),
      sealedAt: minutesAfter(noon, 5),
      ...o,
    })

    it('begin only where no other is open; one that gave no sign for long is none', async () => {
      const open = progressRow({ state: 'paused', updatedAt: minutesAfter(noon, 9_000_000) })
      const aliveSince = minutesAfter(open.updatedAt, -1)
      const begin = (row: MigrationProgress, since = aliveSince) =>
        write((t) => t.saveMigration(row, { aliveSince: since }))
      await begin(open)
      await expect(begin(progressRow())).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
        message: expect.stringContaining(open.uuid) as string,
      })
      await begin(open)
      const next = progressRow({ updatedAt: open.updatedAt })
      await begin(next, open.updatedAt)
      const both = [progressRow(), progressRow()].map((row) => ({
        ...row,
        updatedAt: open.updatedAt,
      }))
      for (const row of [open, next])
        await write((t) => t.saveMigration({ ...row, state: 'finished' }))
      const results = await Promise.allSettled(both.map((row) => begin(row)))
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const row of both) await write((t) => t.saveMigration({ ...row, state: 'finished' }))
    })

    it('choose what is in one form and not in another, page by page in the order of keys', async () => {
      const rows = [await put(), await put(), await put()].map(({ second }) => second)
      const inOrder = [...rows].sort((a, b) => (a.deposit < b.deposit ? -1 : 1))
      const counts = await current().countToMove(selection())
      expect(counts).toEqual({ organisations: 1, deposits: 3, revisions: 3, contentBytes: 18 })
      const first = await current().listToMove(selection(), { ...page, limit: 2 })
      expect(first.map(({ revision }) => revision)).toEqual(inOrder.slice(0, 2))
      const after = { deposit: inOrder[1]?.deposit ?? newUuid(), revision: 2 }
      const rest = await current().listToMove(selection(), { ...page, after })
      expect(rest.map(({ revision }) => revision.uuid)).toEqual([inOrder[2]?.uuid])
      expect(rest[0]?.deposit).toMatchObject({ uuid: inOrder[2]?.deposit, revision: 2 })
      // However few bytes are asked for, the first one comes.
      expect(await current().listToMove(selection(), { ...page, maxBytes: 0 })).toHaveLength(1)
      expect(await current().listToMove(selection(), { ...page, maxBytes: 6 })).toHaveLength(2)
      client = (await enrol(current())).client
      await put()
      expect(await current().countToMove(selection())).toMatchObject({
        organisations: 2,
        deposits: 4,
      })
    })

    it('choose by scope, kind and age', async () => {
      await put({ scope: 'service', kind: 'aes-256', sealedAt: minutesAfter(noon, 9) })
      await put({ scope: 'deposit', kind: 'ec-p256' })
      const count = async (some: Partial<Selection>) =>
        (await current().countToMove(selection(some))).revisions
      const here = { sealing: 'hsm', canary } as const
      expect(await count({ to: here })).toBe(0)
      expect(await count({ to: { ...here, scope: 'service' } })).toBe(1)
      expect(await count({ to: { ...here, kind: 'ec-p256' } })).toBe(1)
      expect(await count({ to: here, sealedBefore: minutesAfter(noon, 1) })).toBe(1)
      expect(await count({ to: here, sealedBefore: minutesAfter(noon, 10) })).toBe(2)
      const kind = { ...here, kind: 'rsa-2048' } as const
      expect(await count({ to: kind, sealedSince: minutesAfter(noon, 9) })).toBe(1)
      expect(await count({ to: kind, sealedSince: minutesAfter(noon, 10) })).toBe(0)
    })

    it('exchange a form and keep the former, which counts as a use of its key; back again, once', async () => {
      const { second: before } = await put()
      const next = moved()
      expect(await write((t) => t.swapForm(before, next, macs))).toBe(true)
      const now = await current().findRevision(before.deposit, 2)
      expect(now).toEqual({ ...before, ...next })
      expect((await current().countToMove(selection())).revisions).toBe(0)
      const [former] = await current().listFormer({ deposit: before.deposit })
      const { hsmKeyId, hsmKeyLabel, scope, uuid, deposit } = before
      const meta = { uuid, deposit, revision: 2, hsmKeyId, hsmKeyLabel, scope, canary }
      expect(former).toEqual({ ...meta, grant: 'of before', swappedBack: false })
      expect(await current().findFormerStored(uuid)).toEqual(before.stored)
      for (const key of [before.hsmKeyId, next.hsmKeyId])
        if (key) expect((await current().findHsmKeyUses([key])).get(key)).toHaveLength(1)

      expect(await write((t) => t.swapBack(uuid))).toBe(true)
      expect(await current().findRevision(deposit, 2)).toEqual(before)
      const [after] = await current().listFormer({ deposit })
      expect(after).toMatchObject({
        hsmKeyId: next.hsmKeyId,
        grant: 'of next',
        swappedBack: true,
      })
      expect(await write((t) => t.swapBack(uuid))).toBe(false)
      expect(await current().findFormerStored(uuid)).toEqual(next.stored)
      await write((t) => t.deleteFormer([uuid]))
      expect(await current().listFormer({ deposit })).toEqual([])
      expect(await current().findFormerStored(uuid)).toBeUndefined()
    })

    it('keep the oldest former form where a migration was given up and another goes over it', async () => {
      const { second: before } = await put()
      const given = moved()
      await write((t) => t.swapForm(before, given, macs))
      const present = { ...before, ...given }
      const again = { ...macs, before: 'of given up', next: 'of last' }
      expect(
        await write((t) => t.swapForm(present, moved({ stored: Buffer.from('3') }), again)),
      ).toBe(true)
      const [former] = await current().listFormer({ deposit: before.deposit })
      expect(former).toMatchObject({ grant: 'of before', hsmKeyId: before.hsmKeyId })
      await write((t) => t.swapBack(before.uuid))
      expect(await current().findRevision(before.deposit, 2)).toEqual(before)
      const [after] = await current().listFormer({ deposit: before.deposit })
      expect(after).toMatchObject({ grant: 'of last', swappedBack: true })
    })

    it('exchange nothing that has changed, or that is about to be purged', async () => {
      const { deposit, second: before } = await put()
      const swap = (row: Revision) => write((t) => t.swapForm(row, moved(), macs))
      expect(await swap({ ...before, stored: Buffer.from('other') })).toBe(false)
      expect(await swap({ ...before, hsmKeyId: newHsmKeyId() })).toBe(false)
      expect(await swap({ ...before, sealing: 'pass-through' })).toBe(false)
      expect(await current().listFormer({ deposit: deposit.uuid })).toEqual([])
      expect(await swap(before)).toBe(true)
      await write((t) => t.updateDeposit({ ...deposit, state: 'purging' }))
      const now = await current().findRevision(deposit.uuid, 2)
      expect(now && (await swap(now))).toBe(false)
      expect(await write((t) => t.swapBack(before.uuid))).toBe(false)
      const swappable = await current().listFormer({ swappable: true, limit: 1000 })
      expect(swappable.map(({ uuid }) => uuid)).not.toContain(before.uuid)
      expect((await current().countToMove(selection())).revisions).toBe(0)
      // The end of the purge forgets the former form with the bytes.
      await write((t) => t.dropStored(deposit.uuid))
      expect(await current().listFormer({ deposit: deposit.uuid })).toEqual([])
    })

    it('exchange each for itself, also where many are asked for at once', async () => {
      const rows: Revision[] = []
      for (let n = 0; n < 45; n += 1) rows.push((await put()).second)
      const changed = (index: number) => index % 5 === 3
      const forms = rows.map((_, index) => moved({ stored: Buffer.from(`form ${index}`) }))
      const asked = rows.map((row, index) =>
        changed(index) ? { ...row, stored: Buffer.from('other') } : row,
      )
      const swapped = await write((t) =>
        Promise.all(
          asked.map((row, index) =>
            t.swapForm(row, forms[index] ?? moved(), { ...macs, before: `of ${index}` }),
          ),
        ),
      )
      expect(swapped).toEqual(rows.map((_, index) => !changed(index)))
      for (const [index, row] of rows.entries()) {
        const now = await current().findRevision(row.deposit, 2)
        const former = await current().listFormer({ deposit: row.deposit })
        expect(now).toEqual(changed(index) ? row : { ...row, ...forms[index] })
        expect(former.map(({ grant }) => grant)).toEqual(changed(index) ? [] : [`of ${index}`])
      }
    })

    it('never swap back what a rollback moved itself', async () => {
      const { second: before } = await put()
      const next = moved()
      await write((t) => t.swapForm(before, next, { ...macs, swappable: false }))
      const swappable = await current().listFormer({ swappable: true, limit: 1000 })
      expect(swappable.map(({ uuid }) => uuid)).not.toContain(before.uuid)
      expect(await write((t) => t.swapBack(before.uuid))).toBe(false)
      expect(await current().findRevision(before.deposit, 2)).toEqual({ ...before, ...next })
      const [former] = await current().listFormer({ deposit: before.deposit })
      expect(former).toMatchObject({ grant: 'of before', swappedBack: true })
    })

    it('list former forms page by page in the order of their uuids, whichever they are', async () => {
      const rows = [await put(), await put(), await put()].map(({ second }) => second)
      for (const [index, row] of rows.entries())
        await write((t) => t.swapForm(row, moved(), { ...macs, swappable: index > 0 }))
      const inOrder = rows.map(({ uuid }) => uuid).sort()
      for (const swappable of [false, true]) {
        const ours = inOrder.filter((uuid) => !swappable || uuid !== rows[0]?.uuid)
        const listed = async (filter: { after?: Uuid; limit: number }) =>
          (await current().listFormer({ swappable, ...filter })).map(({ uuid }) => uuid)
        const all = await listed({ limit: 1000 })
        expect(all).toEqual([...all].sort())
        expect(all.filter((uuid) => inOrder.includes(uuid))).toEqual(ours)
        const first = ours[0] ?? expect.fail('none')
        const from = all.indexOf(first) + 1
        expect(await listed({ after: first, limit: 2 })).toEqual(all.slice(from, from + 2))
        expect(await listed({ after: all.at(-1) ?? first, limit: 2 })).toEqual([])
      }
    })

    it('move what is disabled, which can be undeleted', async () => {
      const { deposit, second } = await put()
      await write((t) => t.updateDeposit({ ...deposit, state: 'disabled' }))
      expect(await write((t) => t.swapForm(second, moved(), macs))).toBe(true)
    })

    it('remember their progress, and what they could not move', async () => {
      const row = progressRow()
      await write((t) => t.saveMigration(row))
      const { second } = await put()
      const { deposit, revision } = second
      const later = { ...row, state: 'moved', moved: 2, overtaken: 1, note: 'n' } as const
      const cursor = { deposit, revision }
      const changed = { ...later, cursor, updatedAt: minutesAfter(noon, 1), endedAt: noon }
      await write((t) => t.saveMigration({ ...changed, startedBy: 'somebody else' }))
      expect(await current().findMigration(row.uuid)).toEqual(changed)
      expect(await current().listMigrations(100)).toContainEqual(changed)
      const fault = {
        migration: row.uuid,
        revisionUuid: second.uuid,
        deposit,
        handle: 'a' as never,
        revision,
        code: 'ERR_IRRETRIEVABLE',
      }
      await write((t) => t.saveMigrationFault(fault))
      await write((t) => t.saveMigrationFault(fault))
      expect(await current().listMigrationFaults(row.uuid, 9)).toEqual([fault])
      expect(await current().countMigrationFaults(row.uuid)).toBe(1)
      expect((await current().countToMove(selection())).revisions).toBe(1)
      const unfailed = selection({ unfailedIn: row.uuid })
      expect((await current().countToMove(unfailed)).revisions).toBe(0)
      await write((t) => t.deleteMigrationFaults(row.uuid))
      expect((await current().countToMove(unfailed)).revisions).toBe(1)
    })

    it('end a join', async () => {
      const join = { url: 'https://h', realm: 'r', canary, domain: 'd', joinedAt: noon }
      await write((t) => t.saveJoin(join))
      await write((t) => t.deleteJoin())
      expect(await current().findJoin()).toBeUndefined()
    })
  })
}
