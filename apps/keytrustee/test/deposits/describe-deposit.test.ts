import { newUuid, type Uuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { describeDeposit } from '../../src/deposits/describe-deposit.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { setPolicy } from '../../src/policies/set-policy.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

const show = (at: Surroundings, caller: Caller, ref: string) =>
  describeDeposit(at.trustee, caller, { operation: 'describe', requestId: newUuid(), ref })

describe('describeDeposit', () => {
  test('shows the newest revision by handle or uuid, removed or not, and asks no HSM', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const first = await putDeposit(at.trustee, owner, putRequest('mine', 'one'))
    await putDeposit(at.trustee, owner, putRequest('mine', 'two'))
    const before = at.keyHsm.calls.length
    const shown = await show(at, owner, 'mine')
    expect(shown).toMatchObject({ uuid: first.uuid, revision: 2, state: 'active' })
    expect(shown.revisionUuid).not.toBe(first.revisionUuid)
    expect(await show(at, owner, first.uuid)).toEqual(shown)
    await removeDeposit(at.trustee, owner, { requestId: newUuid(), ref: 'mine' })
    expect((await show(at, owner, 'mine')).state).toBe('disabled')
    expect(at.keyHsm.calls.length).toBe(before)
    expect(JSON.stringify(shown)).not.toContain('two')
  })

  test('is for the owner alone: another’s, a shared and an absent one are not there, and not audited', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const reader = await addCaller(at, { organisation: owner.organisation })
    const { uuid } = await putDeposit(at.trustee, owner, putRequest('mine', 'one'))
    const policy = { clients: [reader.client.uuid] }
    await setPolicy(
      at.trustee,
      { requestId: newUuid(), actor: owner.client.uuid, policy },
      uuid as Uuid,
    )
    const lines = (await at.auditLines()).length
    for (const ref of ['mine', uuid, 'absent', newUuid()])
      await expect(show(at, reader, ref)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect((await at.auditLines()).length).toBe(lines)
    await expect(show(at, owner, '../x')).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
  })

  test('a row that was changed in the database is not there, and the audit says why', async () => {
    const at = await makeSurroundings()
    const owner = await addCaller(at)
    const { uuid } = await putDeposit(at.trustee, owner, putRequest('mine', 'one'))
    const row = (await at.store.findDepositByUuid(uuid as Uuid))?.deposit
    await at.store.withTransaction(async (transaction) => {
      if (row) await transaction.updateDeposit({ ...row, state: 'disabled' })
    })
    await expect(show(at, owner, 'mine')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect((await at.auditLines()).at(-1)).toMatchObject({
      operation: 'describe',
      outcome: 'integrity',
    })
  })
})
