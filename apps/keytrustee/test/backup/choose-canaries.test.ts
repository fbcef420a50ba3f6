/** Which deposits a drill opens, and what it counts. */
import type { Uuid } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { surveyDeposits } from '../../src/backup/choose-canaries.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { addCaller, makeSurroundings, newIdentityKey, putRequest } from '../support/surroundings.js'

async function twoOrganisations() {
  const at = await makeSurroundings()
  const callers = [await addCaller(at), await addCaller(at)] as const
  const put = (caller: (typeof callers)[number], handle: string, more: object = {}) => {
    at.clock.advance(1000)
    const { put: order, ...request } = putRequest(handle, 'content')
    return putDeposit(at.trustee, caller, { ...request, put: { ...order, ...more } })
  }
  const survey = (revoked: readonly string[] = []) =>
    surveyDeposits(at.store, at.grants, {
      isRevoked: (deposit) => revoked.includes(deposit),
      onPage: () => undefined,
    })
  return { at, callers, put, survey }
}

test('the newest of each organisation and scope, but what nobody may open alone or at all', async () => {
  const { at, callers, put, survey } = await twoOrganisations()
  const [first, second] = callers
  await put(first, 'old')
  const newest = await put(first, 'new')
  await put(first, 'shared', { scope: 'organisation' })
  await put(second, 'other', { scope: 'service' })
  const purged = await put(second, 'purged', { scope: 'service' })
  const trustee = await addCaller(at, { ...second, identityKey: newIdentityKey() })
  const trustees = { required: 1, keys: [trustee.client.identityKey] }
  await put(second, 'voted', { scope: 'organisation', trustees })

  const found = await survey([purged.uuid])
  const named = found.canaries.map(({ organisation, scope, deposit: { handle } }) =>
    [organisation, scope, handle].join(' '),
  )
  const [one, other] = callers.map(({ organisation }) => organisation.name)
  expect(new Set(named)).toEqual(
    new Set([`${one} deposit new`, `${one} organisation shared`, `${other} service other`]),
  )
  expect(found).toMatchObject({ organisations: 2, clients: 3, deposits: 6, unbelieved: 0 })
  // What was revoked since is passed over for the next.
  const without = await survey([newest.uuid])
  expect(without.canaries.map(({ deposit: { handle } }) => handle)).toContain('old')
})

test('a row that this installation did not write is counted and not opened', async () => {
  const { at, callers, put, survey } = await twoOrganisations()
  await put(callers[0], 'mine')
  const { uuid } = await put(callers[0], 'forged')
  const row = await at.store.findDepositByUuid(uuid as Uuid)
  if (!row) throw new Error('no row')
  await at.store.withTransaction((transaction) =>
    transaction.updateDeposit({ ...row.deposit, state: 'disabled' }),
  )
  const { canaries, unbelieved } = await survey()
  expect([unbelieved, canaries.map(({ deposit: { handle } }) => handle)]).toEqual([1, ['mine']])
})
