import { DomainError, type ErrorCode, newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { createDepositQueue } from '../../src/deposits/deposit-queue.js'
import { purgeDeposit, type RefusedPurges, resumePurges } from '../../src/deposits/purge-deposit.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { formerGrant } from '../../src/deposits/sealed-keys.js'
import type { Revision, Store } from '../../src/store/store.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

async function put(at: Surroundings, caller: Caller, handle: string): Promise<Uuid> {
  return (await putDeposit(at.trustee, caller, putRequest(handle, `of ${handle}`))).uuid as Uuid
}

async function contentOf(at: Surroundings, caller: Caller, handle: string): Promise<string> {
  const order = { requestId: newUuid(), ref: handle, from: '127.0.0.1' }
  return (await retrieveDeposit(at.trustee, caller, order)).content.toString()
}

function purge(at: Surroundings, uuid: Uuid, leaveKeys = false) {
  return purgeDeposit(at.trustee, { requestId: newUuid(), actor: 'me', leaveKeys }, uuid)
}

async function revisionOf(store: Store, deposit: Uuid): Promise<Revision> {
  const found = await store.findRevision(deposit, 1)
  return found ?? expect.fail('no revision')
}

/** What a database administrator does: the forms of two revisions change places. */
async function exchange({ store }: Surroundings, a: Uuid, b: Uuid): Promise<void> {
  const [one, other] = [await revisionOf(store, a), await revisionOf(store, b)]
  const grants = { before: 'none', next: 'none', swappable: false }
  await store.withTransaction(async (t) => {
    expect(await t.swapForm(one, other, grants)).toBe(true)
    expect(await t.swapForm(other, one, grants)).toBe(true)
    await t.deleteFormer([one.uuid, other.uuid])
  })
}

/** What `other` holds becomes the former form of `one`, with this MAC. */
async function makeFormer(
  { store }: Surroundings,
  one: Revision,
  other: Revision,
  next: string,
): Promise<void> {
  await store.withTransaction(async (t) => {
    expect(await t.swapForm(one, other, { before: '', next, swappable: true })).toBe(true)
    expect(await t.swapBack(one.uuid)).toBe(true)
  })
}

/** Each revocation, or the one of this number. */
function failRevoke(at: Surroundings, code: ErrorCode, only?: number): void {
  at.keyHsm.before = (verb, count) => {
    if (verb === 'revoke' && (only === undefined || only === count))
      throw new DomainError(code, 'on order')
  }
}

async function site() {
  const at = await makeSurroundings()
  const owner = await addCaller(at)
  const [a, b] = [await put(at, owner, 'a'), await put(at, owner, 'b')]
  return { at, owner, a, b }
}

describe('another deposit’s bytes in the rows of one that is purged', () => {
  test('destroys no key, is not ended, and is named in the audit', async () => {
    const { at, owner, a, b } = await site()
    await exchange(at, a, b)
    expect(await purge(at, a)).toMatchObject({
      deposit: { state: 'purging' },
      revokedKeys: 0,
      refusedKeys: 1,
    })
    expect(at.keyHsm.keys.size).toBe(2)
    expect((await revisionOf(at.store, a)).stored.length).toBeGreaterThan(0)
    const refusals = (await at.auditLines()).filter(({ operation, event }) => {
      return operation === 'purge-keys' && event === 'outcome'
    })
    const { hsmKeyId } = await revisionOf(at.store, a)
    expect(refusals).toMatchObject([
      { outcome: 'integrity', subject: { deposit: a, revision: 1, hsmKeyId } },
      { outcome: 'refused', reason: 'ERR_NOT_ALLOWED' },
    ])
    await expect(contentOf(at, owner, 'a')).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
  })

  test('ends by itself once the rows are put right, and the other opens', async () => {
    const { at, owner, a, b } = await site()
    const [mine, theirs] = [await revisionOf(at.store, a), await revisionOf(at.store, b)]
    const none = { before: 'none', next: 'none', swappable: false }
    const both = [mine, theirs].map(({ uuid }) => uuid)
    await exchange(at, a, b)
    await purge(at, a)
    const refused: RefusedPurges = new Map()
    const looked = { done: 0, left: 0, refused: 1 }
    expect(await resumePurges(at.trustee, refused)).toEqual(looked)
    const asked = at.keyHsm.count('revoke')
    // Not asked again at each look.
    expect(await resumePurges(at.trustee, refused)).toEqual(looked)
    expect(at.keyHsm.count('revoke')).toBe(asked)
    // B's row is put right; A's bytes are what B's row held.
    await at.store.withTransaction(async (t) => {
      const now = await revisionOf(at.store, b)
      expect(await t.swapForm(now, theirs, none)).toBe(true)
      await t.deleteFormer(both)
    })
    expect(await contentOf(at, owner, 'b')).toBe('of b')
    at.clock.advance(11 * 60_000)
    expect(await resumePurges(at.trustee, refused)).toEqual(looked)
    expect(await contentOf(at, owner, 'b')).toBe('of b')
    // An administrator gives A's key up: it is left to prune, and so it is no use of it any more.
    expect(await purge(at, a, true)).toMatchObject({
      deposit: { state: 'purged' },
      revokedKeys: 0,
      refusedKeys: 1,
    })
    expect(await resumePurges(at.trustee, refused)).toEqual({ done: 0, left: 0, refused: 0 })
    expect(await contentOf(at, owner, 'b')).toBe('of b')
    const uses = await at.store.findHsmKeyUses([...at.keyHsm.keys.keys()] as never[])
    expect([...uses.keys()]).toEqual([theirs.hsmKeyId])
    expect((await at.store.findRevocation(a))?.hsmKeyIds).toEqual([])
  })

  test('as its former form: not even asked about without this server’s MAC, and refused with it', async () => {
    const { at, owner, a, b } = await site()
    const [mine, theirs] = [await revisionOf(at.store, a), await revisionOf(at.store, b)]
    await makeFormer(at, mine, theirs, formerGrant(at.grants, { ...theirs, uuid: mine.uuid }))
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purging' }, refusedKeys: 1 })
    expect([...at.keyHsm.keys.keys()]).toEqual([theirs.hsmKeyId])
    expect(await contentOf(at, owner, 'b')).toBe('of b')

    const c = await put(at, owner, 'c')
    const third = await revisionOf(at.store, c)
    await makeFormer(at, third, theirs, formerGrant(at.grants, theirs))
    const purged = await purge(at, c)
    expect(purged).toMatchObject({ deposit: { state: 'purged' }, revokedKeys: 1, refusedKeys: 0 })
    expect([...at.keyHsm.keys.keys()]).toEqual([theirs.hsmKeyId])
    expect(await contentOf(at, owner, 'b')).toBe('of b')
  })
})

describe('a purge', () => {
  test('cut off between the keys and the commit is ended later: a key that is gone needs no proof', async () => {
    const { at, owner, a } = await site()
    const { withTransaction } = at.store
    let failing = true
    const store: Store = Object.assign(Object.create(at.store) as Store, {
      withTransaction: (work: Parameters<typeof withTransaction>[0]) =>
        failing && at.keyHsm.count('revoke') > 0
          ? Promise.reject(new DomainError('ERR_STORE_UNAVAILABLE', 'cut off'))
          : at.store.withTransaction(work),
    })
    const trustee = { ...at.trustee, store }
    const order = { requestId: newUuid(), actor: 'me' }
    const cut = await purgeDeposit(trustee, order, a)
    expect(cut).toMatchObject({ deposit: { state: 'purging' }, refusedKeys: 0 })
    expect(at.keyHsm.keys.size).toBe(1)
    failing = false
    expect(await resumePurges(trustee)).toEqual({ done: 1, left: 0, refused: 0 })
    expect((await at.store.findRevocation(a))?.hsmKeyIds).toHaveLength(1)
    expect(await contentOf(at, owner, 'b')).toBe('of b')
  })

  test('revokes what shows itself, and keeps the rest; a row without bytes shows nothing', async () => {
    const { at, owner, a } = await site()
    const replaced = putRequest('a', 'second')
    await putDeposit(at.trustee, owner, { ...replaced, put: { ...replaced.put } })
    const first = await revisionOf(at.store, a)
    const none = { before: 'none', next: 'none', swappable: false }
    await at.store.withTransaction(async (t) => {
      await t.swapForm(first, { ...first, stored: Buffer.alloc(0) }, none)
      await t.deleteFormer([first.uuid])
    })
    expect(at.keyHsm.keys.size).toBe(3)
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purging' }, refusedKeys: 1 })
    expect([...at.keyHsm.keys.keys()]).toContain(first.hsmKeyId)
    expect(at.keyHsm.keys.size).toBe(2)
  })

  test('that somebody else ended meanwhile is no fault: nothing is audited as an exchange, nothing counted', async () => {
    const { at, a } = await site()
    const listed = (await at.store.findDepositByUuid(a))?.deposit ?? expect.fail()
    const stale = at.trustee.grants.deposit({ ...listed, state: 'purging' })
    const order = { requestId: newUuid(), actor: 'me' }
    // A look that listed it before, and another server that empties the bytes while this one reads them.
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purged' } })
    const listing: Store = Object.assign(Object.create(at.store) as Store, {
      listPurging: () => Promise.resolve([stale]),
    })
    const refused: RefusedPurges = new Map()
    const none = { done: 0, left: 0, refused: 0 }
    expect(await resumePurges({ ...at.trustee, store: listing }, refused)).toEqual(none)

    const c = await put(at, await addCaller(at), 'c')
    const other = { ...at.trustee, queue: createDepositQueue() }
    let first = true
    const slow: Store = Object.assign(Object.create(at.store) as Store, {
      async findRevision(deposit: Uuid, revision: number) {
        if (first) {
          first = false
          await purgeDeposit(other, { requestId: newUuid(), actor: 'other' }, c)
        }
        return at.store.findRevision(deposit, revision)
      },
    })
    const ended = await purgeDeposit({ ...at.trustee, store: slow }, order, c)
    expect(ended).toMatchObject({ deposit: { state: 'purged' }, refusedKeys: 0 })
    const outcomes = (await at.auditLines()).map(({ outcome }) => outcome)
    expect(outcomes).not.toContain('integrity')
  })

  test('asks no further when the HSM cannot be asked, and goes on when one key is of another partition', async () => {
    const { at, owner, a } = await site()
    for (const content of ['second', 'third'])
      await putDeposit(at.trustee, owner, putRequest('a', content))
    failRevoke(at, 'ERR_HSM_UNAVAILABLE')
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purging' }, refusedKeys: 0 })
    expect(at.keyHsm.count('revoke')).toBe(1)
    failRevoke(at, 'ERR_WRONG_PARTITION', 2)
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purging' }, refusedKeys: 0 })
    expect(at.keyHsm.count('revoke')).toBe(4)
  })

  test('whose keys are of a partition that is gone is ended by an administrator alone', async () => {
    const { at, owner, a, b } = await site()
    const refused: RefusedPurges = new Map([[b, Number.MAX_SAFE_INTEGER]])
    failRevoke(at, 'ERR_WRONG_PARTITION')
    expect(await purge(at, a)).toMatchObject({ deposit: { state: 'purging' } })
    expect(await resumePurges(at.trustee, refused)).toEqual({ done: 0, left: 1, refused: 0 })
    expect([...refused.keys()]).toEqual([])
    expect(await purge(at, a, true)).toMatchObject({
      deposit: { state: 'purged' },
      revokedKeys: 0,
      refusedKeys: 1,
    })
    expect(await contentOf(at, owner, 'b')).toBe('of b')
  })
})
