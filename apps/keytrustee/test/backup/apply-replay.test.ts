import { newUuid, type Uuid } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { applySince } from '../../src/backup/apply-replay.js'
import type { Since } from '../../src/backup/replay.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

const nothing: Since = {
  disabledClients: new Set(),
  suspendedOrganisations: new Set(),
  removedDeposits: new Set(),
  purgedDeposits: new Map(),
  retrievals: new Map(),
  changedPolicies: new Set(),
  revokedKeys: new Set(),
  lost: [],
}

async function restored() {
  const at = await makeSurroundings()
  const caller = await addCaller(at)
  const counted = putRequest('counted', 'once')
  const deposit = await putDeposit(at.trustee, caller, {
    ...counted,
    put: { ...counted.put, policy: { maxRetrievals: 2 } },
  })
  await putDeposit(at.trustee, caller, putRequest('plain', 'often'))
  const restoring = { ...at.trustee, actor: 'root', undeleteMs: 1000 }
  return { at, caller, restoring, deposit: deposit.uuid as Uuid }
}

test('what the audit says was taken away is taken away again, and nobody is held', async () => {
  const { at, caller, restoring, deposit } = await restored()
  const since = {
    ...nothing,
    disabledClients: new Set([caller.client.uuid]),
    retrievals: new Map([[deposit, 1]]),
  }
  const { applied, held } = await applySince(restoring, since, 1)
  expect(applied).toMatchObject({ clientsDisabled: 1, depositsCounted: 1, depositsRemoved: 0 })
  expect(held).toEqual({ clients: [], deposits: [] })
  expect((await at.store.findClient({ uuid: caller.client.uuid }))?.state).toBe('disabled')
  expect((await at.store.findRetrievalCount(deposit))?.used).toBe(1)
})

test('where several servers wrote, one audit does not say all: everything that may have changed is held', async () => {
  const { caller, restoring, deposit } = await restored()
  const changedPolicies = new Set([deposit, newUuid()])
  const { held } = await applySince(restoring, { ...nothing, changedPolicies }, 2)
  expect(held).toEqual({ clients: [caller.client.uuid], deposits: [deposit] })
})
