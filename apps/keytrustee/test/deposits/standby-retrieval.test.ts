/** What a server serves that reaches only a standby of the database. */
import { type DomainError, newUuid } from '@keyhsm/core'
import { describeDepositRoute, getDepositRoute } from '@keyhsm/protocol'
import { expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { openExisting } from '../../src/sealing/open-existing.js'
import { servedWithWriter } from '../../src/service/writer-only.js'
import { onlyCopy, type Reach, type Store } from '../../src/store/store.js'
import { canary, KeyHsmDouble } from '../support/key-hsm-double.js'
import { addCaller, makeSurroundings, newIdentityKey, putRequest } from '../support/surroundings.js'

const standby: Reach = {
  mode: 'reader',
  generation: '1.1',
  shared: true,
  elsewhere: ['https://writer:11371'],
}

/** A store whose reach can be set; transactions stay possible, so that only the rules refuse. */
async function withReach() {
  let reach: () => Reach = () => onlyCopy
  const wrapStore = (store: Store): Store =>
    new Proxy(store, {
      get: (target, name): unknown =>
        name === 'reach' ? () => reach() : Reflect.get(target, name, target),
    })
  const at = await makeSurroundings({ wrapStore })
  const owner = await addCaller(at)
  const put = (handle: string, more: object = {}) => {
    const { put: order, ...request } = putRequest(handle, 'content')
    return putDeposit(at.trustee, owner, { ...request, put: { ...order, ...more } })
  }
  const get = (ref: string) =>
    retrieveDeposit(at.trustee, owner, { requestId: newUuid(), ref, from: '127.0.0.1' })
  return {
    at,
    owner,
    put,
    get,
    reaches: (...next: readonly Reach[]) => {
      let asked = 0
      reach = () => next[Math.min(asked++, next.length - 1)] ?? onlyCopy
    },
  }
}

const elsewhere = { code: 'ERR_STORE_UNAVAILABLE', elsewhere: standby.elsewhere }

test('a retrieval is served, and says that it may be old', async () => {
  const { put, get, reaches } = await withReach()
  await put('plain')
  expect((await get('plain')).standby).toBe(false)
  reaches(standby)
  const { content, standby: old } = await get('plain')
  expect([content.toString(), old]).toEqual(['content', true])
})

test.each([
  ['the primary came while it was read', [standby, onlyCopy]],
  ['the primary went while it was read', [onlyCopy, standby]],
  ['another primary took over', [onlyCopy, { ...onlyCopy, generation: 'next' }]],
] as const)('it may be old too when %s', async (_, reach) => {
  const { put, get, reaches } = await withReach()
  await put('plain')
  reaches(...reach)
  expect((await get('plain')).standby).toBe(true)
})

test('counted deposits, those with trustees and absent ones name the writer; nothing is opened', async () => {
  const { at, owner, put, get, reaches } = await withReach()
  await put('counted', { policy: { maxRetrievals: 1 } })
  const { organisation } = owner
  const { client } = await addCaller(at, { organisation, identityKey: newIdentityKey() })
  await put('voted', { trustees: { required: 1, keys: [client.identityKey] } })
  reaches(standby)
  for (const handle of ['counted', 'voted', 'absent'])
    await expect(get(handle)).rejects.toMatchObject(elsewhere)
  expect(at.keyHsm.count('open')).toBe(0)
  reaches(onlyCopy)
  expect((await get('counted')).content.toString()).toBe('content')
})

test('of the clients’ routes only the retrieval goes on', async () => {
  const handle = () => Promise.resolve('served')
  const bound = [getDepositRoute, describeDepositRoute].map((spec) => ({ spec, handle }))
  const answers = async (reach: Reach) => {
    const routes = servedWithWriter({ reach: () => reach }, bound)
    const asked = routes.map(({ handle: ask }) =>
      ask({} as never).catch((error: unknown) => (error as DomainError).code),
    )
    return Promise.all(asked)
  }
  expect(await answers(standby)).toEqual(['served', 'ERR_STORE_UNAVAILABLE'])
  expect(await answers(onlyCopy)).toEqual(['served', 'served'])
})

test('a Key HSM is proved by a stored deposit: one that opens none is refused', async () => {
  const { at, put } = await withReach()
  const order = { canary, requestId: newUuid() }
  const stranger = new KeyHsmDouble()
  await openExisting(at.trustee, stranger, order)
  await put('one')
  await openExisting(at.trustee, at.keyHsm, order)
  await expect(openExisting(at.trustee, stranger, order)).rejects.toMatchObject({
    code: 'ERR_CONFLICT',
  })
})
