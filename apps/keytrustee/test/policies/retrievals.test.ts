import { setTimeout as pause } from 'node:timers/promises'
import { ConnectionFault } from '@keyhsm/client'
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import type { PolicyField } from '@keyhsm/protocol'
import { describe, expect, test, vi } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { saveGroup } from '../../src/organisations/group-orders.js'
import { explainPolicy } from '../../src/policies/explain-policy.js'
import { setPolicy } from '../../src/policies/set-policy.js'
import { releasedNothing } from '../../src/sealing/released-nothing.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )

const get = (at: Surroundings, caller: Caller, ref = 'mine', from = '127.0.0.1') =>
  retrieveDeposit(at.trustee, caller, { requestId: newUuid(), ref, from })

async function withPolicy(policy: PolicyField) {
  const at = await makeSurroundings()
  const owner = await addCaller(at)
  const reader = await addCaller(at, { organisation: owner.organisation, name: 'reader' })
  const request = putRequest('mine', 'content')
  const put = { ...request, put: { ...request.put, policy } }
  const deposit = await putDeposit(at.trustee, owner, put)
  const set = (to: PolicyField) =>
    setPolicy(at.trustee, { requestId: newUuid(), actor: 'x', policy: to }, deposit.uuid as Uuid)
  const used = async () => (await at.store.findRetrievalCount(deposit.uuid as Uuid))?.used
  return { at, owner, reader, deposit, set, used }
}

describe('limits on retrievals', () => {
  test('are never exceeded: of ten that race for three uses, three win', async () => {
    const { at, owner, used } = await withPolicy({ maxRetrievals: 3 })
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => codeOf(get(at, owner))))
    expect(outcomes.filter((code) => code === 'none')).toHaveLength(3)
    expect(outcomes.filter((code) => code === 'ERR_NOT_ALLOWED')).toHaveLength(7)
    expect([await used(), at.keyHsm.count('open')]).toEqual([3, 3])
  })

  test('a use is taken before the HSM is asked, and given back when it certainly released nothing', async () => {
    const { at, owner, used } = await withPolicy({ maxRetrievals: 1 })
    let during: number | undefined
    at.keyHsm.before = async () => {
      during = await used()
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'down')
    }
    expect(await codeOf(get(at, owner))).toBe('ERR_HSM_UNAVAILABLE')
    expect([during, await used()]).toEqual([1, 0])
    at.keyHsm.before = () => {
      const cause = new ConnectionFault(new Error('cut'), true)
      throw new DomainError('ERR_UNAVAILABLE', 'the connection was closed', { cause })
    }
    expect(await codeOf(get(at, owner))).toBe('ERR_HSM_UNAVAILABLE')
    expect(await used()).toBe(1)
    at.keyHsm.before = () => undefined
    expect(await codeOf(get(at, owner))).toBe('ERR_NOT_ALLOWED')
  })

  test('stay over a replacement, begin anew with a policy', async () => {
    const { at, owner, set, used } = await withPolicy({ maxRetrievals: 1 })
    await get(at, owner)
    await putDeposit(at.trustee, owner, putRequest('mine', 'second'))
    expect(await codeOf(get(at, owner))).toBe('ERR_NOT_ALLOWED')
    expect((await set({ maxRetrievals: 2 })).policy).toEqual({ maxRetrievals: 2 })
    expect(await used()).toBe(0)
    await get(at, owner)
    expect((await set({})).policy).toBeUndefined()
    for (let round = 0; round < 3; round += 1) await get(at, owner)
  })

  test('what was taken under another policy is not given back to the one that was set meanwhile', async () => {
    const { at, owner, set, used } = await withPolicy({ maxRetrievals: 1 })
    at.keyHsm.before = async () => {
      at.keyHsm.before = () => undefined
      at.clock.advance(1)
      await set({ maxRetrievals: 1 })
      expect(await codeOf(get(at, owner))).toBe('none')
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'down')
    }
    expect(await codeOf(get(at, owner))).toBe('ERR_HSM_UNAVAILABLE')
    expect(await used()).toBe(1)
    expect(await codeOf(get(at, owner))).toBe('ERR_NOT_ALLOWED')
  })

  test('a count that somebody wrote or took away leaves nothing', async () => {
    const { at, owner, deposit } = await withPolicy({ maxRetrievals: 5 })
    const row = { deposit: deposit.uuid as Uuid, used: 0, grant: 'forged' }
    await at.store.withTransaction((t) => t.saveRetrievalCount(row))
    expect(await codeOf(get(at, owner))).toBe('ERR_NOT_ALLOWED')
    expect(at.keyHsm.count('open')).toBe(0)
  })
})

describe('readers', () => {
  test('a named client and a member of a group may read, nobody else, and only read', async () => {
    const { at, owner, reader, deposit, set } = await withPolicy({ clients: ['reader'] })
    for (const ref of ['mine', deposit.uuid, deposit.revisionUuid])
      expect((await get(at, reader, ref)).content.toString()).toBe('content')
    const stranger = await addCaller(at, { organisation: owner.organisation })
    expect(await codeOf(get(at, stranger))).toBe('ERR_NOT_FOUND')
    const order = { requestId: newUuid(), actor: 'a', organisation: owner.organisation.name }
    const members = { add: [stranger.client.uuid], remove: [] }
    await saveGroup(at.trustee, { ...order, name: 'ops', ...members })
    await set({ groups: ['ops'] })
    expect((await get(at, stranger)).content.toString()).toBe('content')
    expect(await codeOf(get(at, reader))).toBe('ERR_NOT_FOUND')
    const without = { add: [], remove: [stranger.client.name] }
    await saveGroup(at.trustee, { ...order, name: 'ops', ...without })
    expect(await codeOf(get(at, stranger))).toBe('ERR_NOT_FOUND')
    const names = (await putDeposit(at.trustee, reader, putRequest('mine', 'theirs'))).uuid
    expect(names).not.toBe(deposit.uuid)
  })

  test('rows that somebody wrote grant nothing: a policy, a group, a reader', async () => {
    const { at, reader, deposit, owner } = await withPolicy({ maxRetrievals: 9 })
    const row = (await at.store.findDepositByUuid(deposit.uuid as Uuid))?.deposit
    if (!row) throw new Error('no row')
    const { uuid } = row
    await at.store.withTransaction((t) => t.saveReaders(uuid, [reader.client.uuid]))
    expect(await codeOf(get(at, reader))).toBe('ERR_NOT_FOUND')
    const forged = { ...row, policy: { clients: [reader.client.uuid] } }
    await at.store.withTransaction((t) => t.updateDeposit(forged))
    expect(await codeOf(get(at, reader))).toBe('ERR_NOT_FOUND')
    expect(await codeOf(get(at, owner))).toBe('ERR_NOT_FOUND')
    const group = {
      uuid: newUuid(),
      organisation: owner.organisation.uuid,
      name: 'forged',
      members: [reader.client.uuid],
      createdAt: at.clock.now(),
      grant: 'forged',
    }
    await at.store.withTransaction((t) => t.saveGroup(group))
    await at.store.withTransaction((t) =>
      t.updateDeposit(at.grants.deposit({ ...row, policy: { groups: [group.uuid] } })),
    )
    await at.store.withTransaction((t) => t.saveReaders(uuid, [group.uuid]))
    expect(await codeOf(get(at, reader))).toBe('ERR_NOT_FOUND')
    expect(at.keyHsm.count('open')).toBe(0)
  })
})

describe('a policy and a removal at the same moment', () => {
  test('in either order: the deposit stays removed, under the policy that was set', async () => {
    for (const first of ['remove', 'policy'] as const) {
      const { at, owner, deposit, set } = await withPolicy({ maxRetrievals: 5 })
      const remove = () =>
        removeDeposit(at.trustee, owner, { requestId: newUuid(), ref: 'mine' }).then(
          () => undefined,
        )
      const policy = () => set({ maxRetrievals: 1 }).then(() => undefined)
      const orders = first === 'remove' ? [remove, policy] : [policy, remove]
      let free = () => {}
      const held = new Promise<void>((resolve) => {
        free = resolve
      })
      const key = `${owner.client.uuid}/mine`
      const busy = at.trustee.queue.withKeys([key], () => held)
      const codes = orders.map((order) => codeOf(order()))
      await pause(20)
      free()
      await busy
      expect(await Promise.all(codes)).toEqual(
        first === 'remove' ? ['none', 'ERR_DISABLED'] : ['none', 'none'],
      )
      const row = (await at.store.findDepositByUuid(deposit.uuid as Uuid))?.deposit
      expect(row?.state).toBe('disabled')
      expect(row?.policy?.maxRetrievals).toBe(first === 'remove' ? 5 : 1)
    }
  })
})

test('members that are added and taken out at the same moment: neither order is lost', async () => {
  const { at, owner, reader } = await withPolicy({})
  const order = { actor: 'a', organisation: owner.organisation.name, name: 'ops' }
  const save = (add: readonly string[], remove: readonly string[]) =>
    saveGroup(at.trustee, { requestId: newUuid(), ...order, add, remove })
  await save(['reader'], [])
  await Promise.all([save([owner.client.uuid], []), save([], ['reader'])])
  const by = { organisation: owner.organisation.uuid, name: 'ops' }
  expect((await at.store.findGroup(by))?.members).toEqual([owner.client.uuid])
  // Another server changes it between this one's look and its commit.
  const begin = at.store.withTransaction.bind(at.store)
  const group = await at.store.findGroup(by)
  if (!group) throw new Error('no group')
  vi.spyOn(at.store, 'withTransaction').mockImplementationOnce(async (work) => {
    await begin((t) => t.saveGroup(at.grants.group({ ...group, members: [] })))
    return begin(work)
  })
  expect(await codeOf(save([reader.client.uuid], []))).toBe('ERR_CONFLICT')
  expect((await at.store.findGroup(by))?.members).toEqual([])
})

test('the address and the time are the request’s', async () => {
  const { at, owner } = await withPolicy({
    networks: ['192.0.2.0/24'],
    expiresAt: '2026-11-22T11:00:00Z',
  })
  expect(await codeOf(get(at, owner))).toBe('ERR_NOT_ALLOWED')
  expect(await codeOf(get(at, owner, 'mine', '192.0.2.9'))).toBe('none')
  at.clock.advance(3600_000)
  expect(await codeOf(get(at, owner, 'mine', '192.0.2.9'))).toBe('ERR_NOT_ALLOWED')
  const refusals = (await at.auditLines()).filter(({ outcome }) => outcome === 'refused')
  expect(refusals.map(({ reason }) => reason)).toEqual(['network', 'expired'])
})

test('explain says which rule would refuse, and takes nothing', async () => {
  const { at, owner, reader, deposit, used } = await withPolicy({ maxRetrievals: 1 })
  const row = (await at.store.findDepositByUuid(deposit.uuid as Uuid))?.deposit
  if (!row) throw new Error('no row')
  const ask = (client: Caller['client']) =>
    explainPolicy(at.trustee, row, { client, at: at.clock.now(), from: '127.0.0.1' })
  expect(await ask(owner.client)).toMatchObject({ allowed: true, used: 0, maxRetrievals: 1 })
  expect(await ask(reader.client)).toMatchObject({ allowed: false, reason: 'not-reader' })
  expect(await used()).toBe(0)
  await get(at, owner)
  const after = await ask(owner.client)
  expect(after).toMatchObject({ allowed: false, reason: 'used-up' })
  expect(after.rules.filter(({ holds }) => !holds)).toHaveLength(1)
})

test('releasedNothing believes answers and refused connections only', () => {
  const of = (cause: unknown) => new DomainError('ERR_HSM_UNAVAILABLE', 'x', { cause })
  expect(releasedNothing(of(undefined))).toBe(true)
  expect(releasedNothing(of(new DomainError('ERR_BUSY', 'x')))).toBe(true)
  expect(releasedNothing(of(new ConnectionFault(new Error('refused'), false)))).toBe(true)
  expect(releasedNothing(of(of(new ConnectionFault(new Error('cut'), true))))).toBe(false)
  expect(releasedNothing(new DomainError('ERR_INTERNAL', 'x'))).toBe(false)
  expect(releasedNothing(new TypeError('x'))).toBe(false)
})
