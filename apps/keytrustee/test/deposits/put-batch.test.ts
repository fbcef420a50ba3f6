import { DomainError, type Handle, newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { putBatch } from '../../src/deposits/put-batch.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

const content = Buffer.from('content').toString('base64')
const puts = (...handles: string[]) => handles.map((handle) => ({ handle, content }))

describe('putBatch', () => {
  test('stores and removes in one commit, and audits each deposit', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    await putDeposit(at.trustee, caller, putRequest('old', 'x'))
    const requestId = newUuid()
    const order = { requestId, puts: puts('a', 'b', 'c'), removes: ['old'] }
    const reply = await putBatch(at.trustee, caller, order)
    expect(reply.deposits.map(({ handle }) => handle)).toEqual(['a', 'b', 'c'])
    expect(reply.removed).toMatchObject([{ handle: 'old', state: 'disabled' }])
    const lines = (await at.auditLines()).filter((line) => line.requestId === requestId)
    expect(lines.map(({ event }) => event)).toEqual([
      ...Array<string>(4).fill('intent'),
      ...Array<string>(4).fill('outcome'),
    ])
    expect(await putBatch(at.trustee, caller, order)).toEqual(reply)
    expect(at.keyHsm.count('seal')).toBe(4)
  })

  test('a policy that another server sets meanwhile stays with what is removed', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    await putDeposit(at.trustee, caller, putRequest('old', 'x'))
    const by = { owner: caller.client.uuid, handle: 'old' as Handle }
    const policy = { maxRetrievals: 1 }
    at.keyHsm.before = async () => {
      at.keyHsm.before = () => undefined
      const row = await at.store.findDeposit(by)
      if (!row) throw new Error('no deposit')
      const changed = at.grants.deposit({ ...row, policy })
      await at.store.withTransaction((transaction) => transaction.updateDeposit(changed))
    }
    const order = { requestId: newUuid(), puts: puts('a'), removes: ['old'] }
    const { removed } = await putBatch(at.trustee, caller, order)
    expect(removed).toMatchObject([{ handle: 'old', state: 'disabled' }])
    expect(await at.store.findDeposit(by)).toMatchObject({ state: 'disabled', policy })
  })

  test('one that fails to seal: nothing is stored and the keys made meanwhile are gone', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    at.keyHsm.before = (verb, count) => {
      if (verb === 'seal' && count === 3) throw new DomainError('ERR_HSM_FULL', 'no room')
    }
    const batch = putBatch(at.trustee, caller, {
      requestId: newUuid(),
      puts: puts('a', 'b', 'c', 'd'),
    })
    await expect(batch).rejects.toMatchObject({ code: 'ERR_HSM_FULL' })
    expect(at.keyHsm.keys.size).toBe(0)
    expect(await at.store.countDeposits()).toBe(0)
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('asks Key HSM for up to 16 at once, of one scope and 1 MiB, and stores in the order of the request', async () => {
    const at = await makeSurroundings({ limits: { contentBytes: 1024 * 1024 } })
    const caller = await addCaller(at)
    const many = Array.from({ length: 20 }, (_, n) => `many-${n}`)
    const large = Buffer.alloc(400 * 1024, 'x').toString('base64')
    const put = (orders: Parameters<typeof putBatch>[2]['puts']) =>
      putBatch(at.trustee, caller, { requestId: newUuid(), puts: orders })
    const { deposits } = await put(puts(...many))
    expect(deposits.map(({ handle }) => handle)).toEqual(many)
    await put(['d', 'e', 'f'].map((handle) => ({ handle, content: large })))
    await put([
      { handle: 'g', content, scope: 'service' },
      ...puts('h'),
      { handle: 'i', content, scope: 'service' },
    ])
    // What is alone goes by the call for one.
    expect(at.keyHsm.sealedAtOnce).toEqual([16, 4, 2, 2])
    expect(at.keyHsm.count('seal')).toBe(26)
    const lookup = { requestId: newUuid(), ref: 'many-19', from: '127.0.0.1' }
    const got = await retrieveDeposit(at.trustee, caller, lookup)
    expect(got.content.toString()).toBe('content')
  })

  test('a Key HSM of the release before is asked for each by itself, also for much content', async () => {
    const at = await makeSurroundings({ limits: { contentBytes: 1024 * 1024 } })
    const caller = await addCaller(at)
    at.keyHsm.sealsOneAtATime = true
    const batch = (orders: Parameters<typeof putBatch>[2]['puts']) =>
      putBatch(at.trustee, caller, { requestId: newUuid(), puts: orders })
    expect((await batch(puts('a', 'b', 'c'))).deposits).toHaveLength(3)
    const large = Buffer.alloc(450 * 1024, 'x').toString('base64')
    const much = (...handles: string[]) => handles.map((handle) => ({ handle, content: large }))
    expect((await batch(much('d', 'e'))).deposits).toHaveLength(2)
    expect(at.keyHsm.sealedAtOnce).toEqual([3, 2])
    expect(at.keyHsm.count('seal')).toBe(5)
    // One that is too large also by itself.
    at.keyHsm.before = (verb, count) => {
      if (verb === 'seal' && count === 7) throw new DomainError('ERR_TOO_LARGE', 'too large alone')
    }
    await expect(batch(much('f', 'g'))).rejects.toMatchObject({ message: 'too large alone' })
    expect(at.keyHsm.keys.size).toBe(5)
  })

  test.each([
    ['fewer', 1, (n: number) => n - 1],
    ['more', 0, (n: number) => n + 1],
  ])('answers for %s deposits than were sent: nothing is stored', async (_, orphans, count) => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    at.keyHsm.answered = (results) =>
      [...results, ...results.slice(0, 1)].slice(0, count(results.length))
    const requestId = newUuid()
    const batch = putBatch(at.trustee, caller, { requestId, puts: puts('a', 'b', 'c') })
    await expect(batch).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    expect(await at.store.countDeposits()).toBe(0)
    expect(await at.store.listPendingPuts()).toEqual([])
    // A key that no answer names is left to prune.
    expect(at.keyHsm.keys.size).toBe(orphans)
    const outcomes = (await at.auditLines()).filter((line) => line.requestId === requestId)
    expect(outcomes.flatMap(({ outcome }) => outcome ?? [])).toEqual(
      Array<string>(3).fill('unavailable'),
    )
  })

  test('one that is refused: nothing is sealed', async () => {
    const at = await makeSurroundings({ limits: { depositsPerClient: 3 } })
    const caller = await addCaller(at)
    await putDeposit(at.trustee, caller, putRequest('taken', 'x'))
    const before = at.keyHsm.calls.length
    const batches = [
      { puts: [...puts('a'), { handle: 'taken', content, ifNoneMatch: '*' as const }] },
      { puts: [...puts('a'), { handle: 'taken', content, ifMatch: 9 }] },
      { puts: puts('a', 'b', 'c') },
      { puts: puts('a'), removes: ['absent'] },
      { puts: puts('a', 'a') },
      { puts: [], removes: [] },
    ]
    const codes = await Promise.all(
      batches.map((batch) =>
        putBatch(at.trustee, caller, { requestId: newUuid(), ...batch }).catch(
          (error: unknown) => (error as DomainError).code,
        ),
      ),
    )
    expect(codes).toEqual([
      'ERR_ALREADY_EXISTS',
      'ERR_CONFLICT',
      'ERR_QUOTA',
      'ERR_NOT_FOUND',
      'ERR_INVALID_INPUT',
      'ERR_INVALID_INPUT',
    ])
    expect(at.keyHsm.calls).toHaveLength(before)
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('two batches over the same handles in another order do not wait for each other for ever', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const batch = (...handles: string[]) =>
      putBatch(at.trustee, caller, { requestId: newUuid(), puts: puts(...handles) })
    const replies = await Promise.all([batch('a', 'b'), batch('b', 'a'), batch('a'), batch('b')])
    const revisions = replies.flatMap(({ deposits }) => deposits.map(({ revision }) => revision))
    expect(revisions.sort((a, b) => a - b)).toEqual([1, 1, 2, 2, 3, 3])
  })
})

test('a removed deposit is refused to puts, and removing it again changes nothing', async () => {
  const at = await makeSurroundings()
  const caller = await addCaller(at)
  await putDeposit(at.trustee, caller, putRequest('a', 'x'))
  const lookup = { requestId: newUuid(), ref: 'a' }
  const removed = await removeDeposit(at.trustee, caller, lookup)
  at.clock.advance(86400_000)
  expect(await removeDeposit(at.trustee, caller, lookup)).toEqual(removed)
  await expect(putDeposit(at.trustee, caller, putRequest('a', 'y'))).rejects.toMatchObject({
    code: 'ERR_DISABLED',
    message: expect.stringContaining('undelete is possible until 2026-12-22') as string,
  })
  const lines = (await at.auditLines()).filter(({ operation }) => operation === 'remove')
  expect(lines.map(({ event, outcome }) => [event, outcome])).toEqual([
    ['intent', undefined],
    ['outcome', 'done'],
  ])
})

test('an earlier revision’s uuid removes nothing', async () => {
  const at = await makeSurroundings()
  const caller = await addCaller(at)
  const first = await putDeposit(at.trustee, caller, putRequest('a', '1'))
  await putDeposit(at.trustee, caller, putRequest('a', '2'))
  const order = { requestId: newUuid(), ref: first.revisionUuid }
  await expect(removeDeposit(at.trustee, caller, order)).rejects.toMatchObject({
    code: 'ERR_NOT_FOUND',
  })
})
