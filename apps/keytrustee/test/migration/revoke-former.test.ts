import { newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { formerGrant } from '../../src/deposits/sealed-keys.js'
import { revokeFormer } from '../../src/migration/revoke-former.js'
import { createKeyHsmSealer } from '../../src/sealing/key-hsm-sealer.js'
import type { SealContext, Sealer } from '../../src/sealing/sealer.js'
import type { FormerRevision, Revision, StoredForm } from '../../src/store/store.js'
import { canary } from '../support/key-hsm-double.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

const content = Buffer.from('content')

/** A deposit that was sealed, and is in the form that `sealer` makes now; the grants are those that a move makes. */
async function moved(choose: (all: { hsm: Sealer; passThrough: Sealer }) => Sealer) {
  const at = await makeSurroundings()
  const { store, grants, trustee } = at
  const owner = await addCaller(at)
  const { uuid } = await putDeposit(trustee, owner, putRequest('a', content))
  const deposit = uuid as Uuid
  const before = (await store.findRevision(deposit, 1)) ?? expect.fail('no revision')
  const hsm = createKeyHsmSealer(at.keyHsm, { canary }, 'deposit')
  const sealer = choose({ hsm, passThrough: trustee.sealing.passThrough })
  const found = await store.findDepositByUuid(deposit)
  const { organisation, handle } = found?.deposit ?? expect.fail('no deposit')
  const context: SealContext = { organisation, deposit, handle, revision: 1 }
  const sealed = await sealer.seal({ requestId: newUuid(), context, content })
  const { newKey: _, ...form } = sealed
  const next: StoredForm = { ...form, sealing: sealer.sealing, sealedAt: at.clock.now() }
  const exchanged = {
    before: formerGrant(grants, before),
    next: formerGrant(grants, { ...next, uuid: before.uuid }),
    swappable: true,
  }
  await store.withTransaction((t) => t.swapForm(before, next, exchanged))
  const present = (await store.findRevision(deposit, 1)) ?? expect.fail('no revision')
  const [row] = await store.listFormer({ deposit })
  const revoke = (some: Partial<FormerRevision> = {}) =>
    revokeFormer({ trustee, ways: { hsm } }, newUuid(), { ...(row as FormerRevision), ...some })
  /** As a database administrator would: the present form, without a word to anybody. */
  const write = (to: StoredForm) =>
    store.withTransaction(async (t) => {
      const now = (await t.findRevision(deposit, 1)) as Revision
      expect(await t.swapForm(now, to, { before: '', next: '', swappable: true })).toBe(true)
    })
  const get = async () => {
    const order = { requestId: newUuid(), ref: 'a', from: '127.0.0.1' }
    return (await retrieveDeposit(trustee, owner, order)).content.toString()
  }
  return { at, before, present, exchanged, revoke, write, get, deposit }
}

const refused = { code: 'ERR_NOT_ALLOWED' }

describe('the key of a former form', () => {
  test('goes when the present one opens without it', async () => {
    const { at, before, revoke, get } = await moved(({ hsm }) => hsm)
    expect(at.keyHsm.keys.size).toBe(2)
    await revoke()
    expect(at.keyHsm.keys.has(before.hsmKeyId ?? '')).toBe(false)
    expect(await get()).toBe('content')
    await revoke()
    expect(await get()).toBe('content')
  })

  test('stays when the former row names the key that the deposit needs now, with a MAC of this server', async () => {
    const { at, present, exchanged, revoke, get } = await moved(({ hsm }) => hsm)
    // Both MACs stand in the former row.
    const forged = { hsmKeyId: present.hsmKeyId, grant: exchanged.next }
    await expect(revoke(forged)).rejects.toMatchObject({
      ...refused,
      message: expect.stringMatching(
        /^revision 1 of a \(.*\) does not open in its new form$/,
      ) as string,
    })
    expect(at.keyHsm.keys.size).toBe(2)
    expect(await get()).toBe('content')
  })

  test('stays when other bytes stand in the present row', async () => {
    const { at, before, present, revoke, write, get } = await moved(({ hsm }) => hsm)
    await write({ ...present, stored: Buffer.alloc(40, 1) })
    await expect(revoke()).rejects.toMatchObject(refused)
    await write({ ...before })
    await expect(revoke()).rejects.toMatchObject(refused)
    expect(at.keyHsm.keys.size).toBe(2)
    await write({ ...present })
    await revoke()
    expect(await get()).toBe('content')
  })

  test('goes when the present form is unsealed, as long as such may be, and as this server wrote it', async () => {
    const { at, before, present, revoke, write } = await moved(({ passThrough }) => passThrough)
    await expect(revoke()).rejects.toMatchObject(refused)
    at.trustee.sealing.ruleUnsealed({ puts: true, opens: true })
    const forged = Buffer.from(present.stored)
    forged.writeUInt8(forged.readUInt8(10) ^ 1, 10)
    await write({ ...present, stored: forged })
    await expect(revoke()).rejects.toMatchObject(refused)
    expect(at.keyHsm.keys.has(before.hsmKeyId ?? '')).toBe(true)
    await write({ ...present })
    await revoke()
    expect(at.keyHsm.keys.size).toBe(0)
    expect(at.keyHsm.calls.at(-1)).toMatchObject({ verb: 'revoke', reason: 'purge' })
  })

  test('of a row that somebody else wrote is left to prune', async () => {
    const { at, revoke } = await moved(({ hsm }) => hsm)
    for (const forged of [{ grant: 'forged' }, { deposit: newUuid() }, { revision: 2 }])
      await revoke(forged)
    expect(at.keyHsm.count('revoke')).toBe(0)
  })

  test('of a deposit that is being purged shows itself', async () => {
    const { at, deposit, revoke } = await moved(({ hsm }) => hsm)
    const row = (await at.store.findDepositByUuid(deposit))?.deposit ?? expect.fail('no deposit')
    const purging = at.grants.deposit({ ...row, state: 'purging' })
    await at.store.withTransaction((t) => t.updateDeposit(purging))
    await revoke()
    expect(at.keyHsm.keys.size).toBe(1)
    expect(at.keyHsm.calls.at(-1)).toMatchObject({ verb: 'revoke', reason: 'purge' })
  })
})
