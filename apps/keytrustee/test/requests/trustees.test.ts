import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { DomainError, newUuid, type Uuid } from '@keyhsm/core'
import { signRetrieval } from '@keyhsm/protocol'
import { describe, expect, test, vi } from 'vitest'
import { findPeers } from '../../src/clients/find-peers.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { askRetrieval, signRequest } from '../../src/requests/ask-retrieval.js'
import { giveVerdict, withdraw } from '../../src/requests/decide-request.js'
import { findRequest, listRequests } from '../../src/requests/find-request.js'
import { type KnownRequest, stateOf, statementOf } from '../../src/requests/request-reply.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

interface Person extends Caller {
  readonly privateKey: KeyObject
  readonly identityKey: string
}

async function addPerson(at: Surroundings, name: string, like?: Caller): Promise<Person> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const identityKey = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const of = like ? { organisation: like.organisation } : {}
  return { ...(await addCaller(at, { name, identityKey, ...of })), privateKey, identityKey }
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )

async function withTrustees(required = 2) {
  const at = await makeSurroundings()
  const owner = await addPerson(at, 'owner')
  const [a, b, c] = [
    await addPerson(at, 'a', owner),
    await addPerson(at, 'b', owner),
    await addPerson(at, 'c', owner),
  ]
  const put = (keys = [a, b, c].map(({ identityKey }) => identityKey), votes = required) => {
    const request = putRequest('mine', 'content')
    const trustees = { required: votes, keys }
    return putDeposit(at.trustee, owner, { ...request, put: { ...request.put, trustees } })
  }
  const deposit = await put()
  const get = (request?: Uuid, by: Caller = owner) =>
    retrieveDeposit(at.trustee, by, {
      requestId: newUuid(),
      ref: 'mine',
      from: '127.0.0.1',
      ...(request ? { request } : {}),
    })
  const ask = async (by: Person = owner) => {
    const retrieval = { requestId: newUuid(), ref: 'mine', from: '127.0.0.1' }
    const known = await askRetrieval(at.trustee, by, retrieval)
    return sign(at, by, known)
  }
  const approve = (by: Person, known: KnownRequest, key = by.privateKey) =>
    giveVerdict(at.trustee, by, {
      requestId: newUuid(),
      uuid: known.request.uuid,
      verdict: 'approve',
      signature: signRetrieval(statementOf(known.request), 'approval', key).toString('base64'),
    })
  const deny = (by: Person, known: KnownRequest) =>
    giveVerdict(at.trustee, by, {
      requestId: newUuid(),
      uuid: known.request.uuid,
      verdict: 'deny',
    })
  const state = async (known: KnownRequest) =>
    stateOf(await findRequest(at.trustee, owner, known.request.uuid), at.clock.now())
  return { at, owner, a, b, c, deposit, put, get, ask, approve, deny, state }
}

function sign(at: Surroundings, by: Person, known: KnownRequest): Promise<KnownRequest> {
  const signature = signRetrieval(statementOf(known.request), 'request', by.privateKey)
  const order = { uuid: known.request.uuid, signature: signature.toString('base64') }
  return signRequest(at.trustee, by, order)
}

describe('a deposit with 2 of 3 trustees', () => {
  test('is released once for two approvals, with all signatures handed to Key HSM', async () => {
    const { at, owner, a, b, deposit, get, ask, approve, state } = await withTrustees()
    expect(deposit.trustees).toMatchObject({ required: 2 })
    expect(await codeOf(get())).toBe('ERR_APPROVAL_NEEDED')
    const known = await ask()
    const { uuid } = known.request
    expect(await codeOf(get(uuid))).toBe('ERR_APPROVAL_NEEDED')
    await approve(a, known)
    expect([await state(known), await codeOf(get(uuid))]).toEqual(['open', 'ERR_APPROVAL_NEEDED'])
    await approve(b, known)
    expect(await state(known)).toBe('approved')
    const outcomes = await Promise.all([codeOf(get(uuid)), codeOf(get(uuid))])
    expect(outcomes.sort()).toEqual(['ERR_NOT_ALLOWED', 'none'])
    expect(await state(known)).toBe('used')
    expect(at.keyHsm.count('open')).toBe(1)
    expect(at.keyHsm.approvals).toMatchObject([
      { request: uuid, client: owner.client.uuid, approvals: [{}, {}] },
    ])
    const operations = (await at.auditLines()).map(({ operation }) => operation)
    expect(operations).toEqual(expect.arrayContaining(['request', 'approve', 'get']))
  })

  test('nobody approves their own request, a stranger nothing, and only with the right key', async () => {
    const { at, owner, a, b, put, ask, approve } = await withTrustees()
    const known = await ask()
    expect(await codeOf(approve(owner, known))).toBe('ERR_NOT_ALLOWED')
    const stranger = await addPerson(at, 'stranger', owner)
    expect(await codeOf(approve(stranger, known))).toBe('ERR_NOT_FOUND')
    expect(await codeOf(approve(a, known, b.privateKey))).toBe('ERR_INVALID_INPUT')
    expect(await codeOf(put([owner.identityKey, a.identityKey]))).toBe('ERR_INVALID_INPUT')
  })

  test('trustees see signed requests only, and cannot read', async () => {
    const { at, owner, a, get } = await withTrustees()
    const retrieval = { requestId: newUuid(), ref: 'mine', from: '127.0.0.1' }
    const unsigned = await askRetrieval(at.trustee, owner, retrieval)
    expect((await listRequests(at.trustee, a)).requests).toEqual([])
    expect(await codeOf(findRequest(at.trustee, a, unsigned.request.uuid))).toBe('ERR_NOT_FOUND')
    await sign(at, owner, unsigned)
    expect((await listRequests(at.trustee, a)).requests).toHaveLength(1)
    expect(await codeOf(get(undefined, a))).toBe('ERR_NOT_FOUND')
    const forged = { uuid: unsigned.request.uuid, signature: Buffer.alloc(64).toString('base64') }
    expect(await codeOf(signRequest(at.trustee, owner, forged))).toBe('ERR_INVALID_INPUT')
    expect(await codeOf(signRequest(at.trustee, a, forged))).toBe('ERR_NOT_ALLOWED')
  })

  test('a list is found behind hundreds of requests that are over', async () => {
    const { at, owner, a, ask } = await withTrustees()
    const { request } = await ask()
    await at.store.withTransaction(async (transaction) => {
      for (let count = 0; count < 600; count += 1) {
        const expiresAt = new Date(request.expiresAt.getTime() - 1 - count)
        const row = { ...request, uuid: newUuid(), expiresAt }
        await transaction.saveRetrievalRequest(at.grants.request({ ...row, state: 'used' }))
      }
    })
    const first = await listRequests(at.trustee, a)
    expect(first.requests).toEqual([])
    const second = await listRequests(at.trustee, a, first.next)
    expect(second.requests.map((known) => known.request.uuid)).toEqual([request.uuid])
    expect(second.next).toBeUndefined()
    const asked = { requestId: newUuid(), ref: 'mine', from: '127.0.0.1' }
    expect((await askRetrieval(at.trustee, owner, asked)).request.state).toBe('open')
  })

  test('approvals can be withdrawn until they are used; denials decide when no majority is left', async () => {
    const { at, owner, a, b, get, ask, approve, deny, state } = await withTrustees()
    const known = await ask()
    const { uuid } = known.request
    await approve(a, known)
    await approve(b, known)
    await withdraw(at.trustee, a, { requestId: newUuid(), uuid })
    expect(await codeOf(get(uuid))).toBe('ERR_APPROVAL_NEEDED')
    await deny(a, known)
    expect(await state(known)).toBe('open')
    await deny(b, known)
    expect(await state(known)).toBe('denied')
    await withdraw(at.trustee, owner, { requestId: newUuid(), uuid })
    expect(await state(known)).toBe('withdrawn')
    expect(await codeOf(approve(a, known))).toBe('ERR_CONFLICT')
    expect(await codeOf(get(uuid))).not.toBe('none')
  })

  test('an approval of somebody who was disabled, or came back with other keys, does not count', async () => {
    const { at, a, b, get, ask, approve, state } = await withTrustees()
    const known = await ask()
    const { uuid } = known.request
    await approve(a, known)
    await approve(b, known)
    const write = (row: Parameters<typeof at.grants.client>[0]) =>
      at.store.withTransaction((t) => t.updateClient(at.grants.client(row)))
    await write({ ...a.client, state: 'disabled' })
    expect([await state(known), await codeOf(get(uuid))]).toEqual(['open', 'ERR_APPROVAL_NEEDED'])
    const { identityKey } = await addPerson(at, 'other', a)
    await write({ ...a.client, identityKey })
    expect([await state(known), await codeOf(get(uuid))]).toEqual(['open', 'ERR_APPROVAL_NEEDED'])
    // A row that says otherwise and is not ours helps nobody.
    await at.store.withTransaction((t) => t.updateClient({ ...a.client, grant: 'forged' }))
    expect(await codeOf(get(uuid))).toBe('ERR_APPROVAL_NEEDED')
    expect(at.keyHsm.count('open')).toBe(0)
    await write(a.client)
    expect(await codeOf(get(uuid))).toBe('none')
  })

  test('an approval that is taken back while the retrieval is decided does not count', async () => {
    const { at, a, b, get, ask, approve, state } = await withTrustees()
    const known = await ask()
    const { uuid } = known.request
    await approve(a, known)
    await approve(b, known)
    const begin = at.store.withTransaction.bind(at.store)
    vi.spyOn(at.store, 'withTransaction').mockImplementationOnce(async (work) => {
      await withdraw(at.trustee, a, { requestId: newUuid(), uuid })
      return begin(work)
    })
    expect(await codeOf(get(uuid))).toBe('ERR_APPROVAL_NEEDED')
    expect(at.keyHsm.count('open')).toBe(0)
    expect(await state(known)).toBe('open')
  })

  test('signing again, while the request is used or withdrawn, does not open it again', async () => {
    const { at, owner, a, b, get, ask, approve, state } = await withTrustees()
    for (const [ends, end] of [
      ['used', (uuid: Uuid) => get(uuid)],
      ['withdrawn', (uuid: Uuid) => withdraw(at.trustee, owner, { requestId: newUuid(), uuid })],
    ] as const) {
      const known = await ask()
      await approve(a, known)
      await approve(b, known)
      await end(known.request.uuid)
      vi.spyOn(at.store, 'findRetrievalRequest').mockResolvedValueOnce(known.request)
      expect(await codeOf(sign(at, owner, known))).toBe('ERR_CONFLICT')
      expect(await state(known)).toBe(ends)
    }
  })

  test('an approval is given back when nothing was released, and ends with its time', async () => {
    const { at, a, b, get, ask, approve, state } = await withTrustees()
    const known = await ask()
    await approve(a, known)
    await approve(b, known)
    at.keyHsm.before = () => {
      throw new DomainError('ERR_HSM_UNAVAILABLE', 'down')
    }
    expect(await codeOf(get(known.request.uuid))).toBe('ERR_HSM_UNAVAILABLE')
    expect(await state(known)).toBe('approved')
    at.keyHsm.before = () => undefined
    at.clock.advance(3600_000)
    expect(await state(known)).toBe('expired')
    expect(await codeOf(get(known.request.uuid))).toBe('ERR_NOT_ALLOWED')
  })

  test('rows that somebody wrote help nobody: a used request, an approval, fewer votes', async () => {
    const { at, owner, a, b, deposit, get, ask, approve } = await withTrustees()
    const known = await ask()
    const { uuid } = known.request
    await approve(a, known)
    const signature = Buffer.alloc(64, 7).toString('base64')
    const verdict = { request: uuid, trustee: b.client.uuid, verdict: 'approve' } as const
    await at.store.withTransaction((t) =>
      t.saveVerdict({ ...verdict, signature, decidedAt: at.clock.now() }),
    )
    expect(await codeOf(get(uuid))).toBe('ERR_APPROVAL_NEEDED')
    await approve(b, known)
    await get(uuid)
    const used = await at.store.findRetrievalRequest(uuid)
    if (!used) throw new Error('no request')
    await at.store.withTransaction((t) => t.saveRetrievalRequest({ ...used, state: 'open' }))
    expect(await codeOf(get(uuid))).toBe('ERR_NOT_FOUND')
    const row = (await at.store.findDepositByUuid(deposit.uuid as Uuid))?.deposit
    if (!row) throw new Error('no row')
    const { policy: _, ...without } = row
    await at.store.withTransaction((t) => t.updateDeposit(without))
    expect(await codeOf(get(undefined, owner))).toBe('ERR_NOT_FOUND')
  })

  test('a replacement keeps its trustees, changes them, or takes them away', async () => {
    const { at, owner, a, put, get, ask } = await withTrustees()
    const old = await ask()
    const second = await putDeposit(at.trustee, owner, putRequest('mine', 'second'))
    expect(second.trustees?.clients).toHaveLength(3)
    expect(at.keyHsm.trustees.map((each) => each?.required)).toEqual([2, 2])
    expect(await codeOf(get(old.request.uuid))).toBe('ERR_NOT_FOUND')
    expect((await put([a.identityKey], 1)).trustees?.required).toBe(1)
    expect((await put([], 0)).trustees).toBeUndefined()
    expect((await get()).content.toString()).toBe('content')
    for (const [keys, votes] of [
      [[a.identityKey], 2],
      [[a.identityKey], 0],
      [[a.identityKey, a.identityKey], 1],
      [['AAAA'], 1],
    ] as const)
      expect(await codeOf(put([...keys], votes))).toBe('ERR_INVALID_INPUT')
    expect(await codeOf(ask())).toBe('ERR_CONFLICT')
  })
})

test('findPeers: clients and groups of one’s own organisation, active ones', async () => {
  const { at, owner, a } = await withTrustees()
  const found = await findPeers(at.trustee, owner, 'a')
  expect(found.clients).toMatchObject([{ uuid: a.client.uuid, identityKey: a.identityKey }])
  expect((await findPeers(at.trustee, owner, a.client.uuid)).clients).toHaveLength(1)
  const group = at.grants.group({
    uuid: newUuid(),
    organisation: owner.organisation.uuid,
    name: 'ops',
    members: [a.client.uuid, newUuid()],
    createdAt: at.clock.now(),
  })
  await at.store.withTransaction((t) => t.saveGroup(group))
  expect(await findPeers(at.trustee, owner, 'ops')).toMatchObject({
    group: { name: 'ops' },
    clients: [{ name: 'a' }],
  })
  const elsewhere = await addPerson(at, 'elsewhere')
  for (const ref of ['a', a.client.uuid, 'ops', 'absent'])
    expect(await codeOf(findPeers(at.trustee, elsewhere, ref))).toBe('ERR_NOT_FOUND')
  const disabled = at.grants.client({ ...a.client, state: 'disabled' })
  await at.store.withTransaction((t) => t.updateClient(disabled))
  expect(await codeOf(findPeers(at.trustee, owner, 'a'))).toBe('ERR_NOT_FOUND')
})
