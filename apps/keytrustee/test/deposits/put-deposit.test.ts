import { DomainError, newUuid } from '@keyhsm/core'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { CommitUnknown, type Store } from '../../src/store/store.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'

/** A store whose transactions with an insert fail as ordered. */
function failingAt(count: number, failure: () => Error, afterCommit = false) {
  return (store: Store): Store => {
    let seen = 0
    return new Proxy(store, {
      get(target, name, receiver) {
        if (name !== 'withTransaction') return Reflect.get(target, name, receiver)
        return async (work: Parameters<Store['withTransaction']>[0]) => {
          seen += 1
          if (seen !== count) return target.withTransaction(work)
          if (afterCommit) await target.withTransaction(work)
          throw failure()
        }
      },
    })
  }
}

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

describe('putDeposit', () => {
  test('stores content that comes back identical, under an audit intent and outcome', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const request = putRequest('first', Buffer.from([0, 1, 2, 0]))
    const deposit = await putDeposit(at.trustee, caller, request)
    expect(deposit).toMatchObject({ handle: 'first', revision: 1, sealing: 'hsm', contentBytes: 4 })
    const got = await retrieveDeposit(at.trustee, caller, {
      requestId: newUuid(),
      ref: 'first',
      from: '127.0.0.1',
    })
    expect(got.content).toEqual(Buffer.from([0, 1, 2, 0]))
    const lines = (await at.auditLines()).filter(({ operation }) => operation === 'put')
    expect(lines.map(({ event, outcome }) => [event, outcome])).toEqual([
      ['intent', undefined],
      ['outcome', 'stored'],
    ])
    expect(lines[0]?.requestId).toBe(request.requestId)
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('comes by each step of its own in order', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const steps: unknown[] = []
    const listen = (step: unknown) => steps.push(step)
    subscribe('keyhsm:step', listen)
    await putDeposit(at.trustee, caller, putRequest('first', 'x'))
    unsubscribe('keyhsm:step', listen)
    expect(steps).toEqual([
      'put:reserved',
      'put:intent-audited',
      'put:sealed',
      'put:inserted',
      'put:committed',
      'put:outcome-audited',
    ])
  })

  test('a repeated request has one effect and the same reply, other content is a conflict', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const requestId = newUuid()
    const first = await putDeposit(at.trustee, caller, putRequest('a', 'one', { requestId }))
    const again = await putDeposit(at.trustee, caller, putRequest('a', 'one', { requestId }))
    expect(again).toEqual(first)
    expect(at.keyHsm.count('seal')).toBe(1)
    const other = await failure(
      putDeposit(at.trustee, caller, putRequest('a', 'two', { requestId })),
    )
    expect(other.code).toBe('ERR_CONFLICT')
  })

  test('the same request twice at once seals once', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const request = putRequest('a', 'one')
    const [left, right] = await Promise.all([
      putDeposit(at.trustee, caller, request),
      putDeposit(at.trustee, caller, request),
    ])
    expect(left).toEqual(right)
    expect(at.keyHsm.count('seal')).toBe(1)
  })

  test('puts under one handle at once become revisions one after the other', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const all = ['one', 'two', 'three'].map((text) =>
      putDeposit(at.trustee, caller, putRequest('a', text)),
    )
    const revisions = (await Promise.all(all)).map(({ revision }) => revision)
    expect(revisions.sort((a, b) => a - b)).toEqual([1, 2, 3])
  })

  test('conditions: taken handle, wrong revision, right revision; the old deposit stays', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const first = await putDeposit(at.trustee, caller, putRequest('a', 'one'))
    const put = (text: string, headers: Record<string, string>) =>
      putDeposit(at.trustee, caller, putRequest('a', text, { headers }))
    expect((await failure(put('two', { 'if-none-match': '*' }))).code).toBe('ERR_ALREADY_EXISTS')
    expect((await failure(put('two', { 'if-match': '"7"' }))).code).toBe('ERR_CONFLICT')
    expect((await failure(put('two', { 'if-match': '1' }))).code).toBe('ERR_INVALID_INPUT')
    expect(at.keyHsm.count('seal')).toBe(1)
    const second = await put('two', { 'if-match': '"1"' })
    expect(second).toMatchObject({ uuid: first.uuid, revision: 2 })
    const old = await retrieveDeposit(at.trustee, caller, {
      requestId: newUuid(),
      ref: first.revisionUuid,
      from: '127.0.0.1',
    })
    expect([old.revision, old.content.toString(), old.deposit.revision]).toEqual([1, 'one', 2])
  })

  test('content over the limit and a bad handle are refused before anything is touched', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const large = Buffer.alloc(1025)
    expect((await failure(putDeposit(at.trustee, caller, putRequest('a', large)))).code).toBe(
      'ERR_TOO_LARGE',
    )
    expect((await failure(putDeposit(at.trustee, caller, putRequest('.a', 'x')))).code).toBe(
      'ERR_INVALID_INPUT',
    )
    expect(at.keyHsm.calls).toEqual([])
    expect(await at.auditLines()).toEqual([])
    const whole = await putDeposit(at.trustee, caller, putRequest('a', Buffer.alloc(1024)))
    expect(whole.contentBytes).toBe(1024)
  })

  test('when sealing fails nothing is stored or reserved, and the audit says unavailable', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    at.keyHsm.before = () => {
      throw new DomainError('ERR_NOT_AUTHENTICATED', 'certificate not trusted')
    }
    const error = await failure(putDeposit(at.trustee, caller, putRequest('a', 'one')))
    expect(error.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(error.message).not.toContain('certificate')
    expect(await at.store.listPendingPuts()).toEqual([])
    expect((await at.auditLines()).at(-1)).toMatchObject({
      outcome: 'unavailable',
      operation: 'put',
    })
    at.keyHsm.before = () => undefined
    expect((await putDeposit(at.trustee, caller, putRequest('a', 'one'))).revision).toBe(1)
  })

  test('an insert that certainly failed discards its new HSM key at once', async () => {
    // Transactions: 1 the caller's rows, 2 the reservation, 3 the insert.
    const down = () => new DomainError('ERR_STORE_UNAVAILABLE', 'the database is not available')
    const at = await makeSurroundings({ wrapStore: failingAt(3, down) })
    const caller = await addCaller(at)
    const error = await failure(putDeposit(at.trustee, caller, putRequest('a', 'one')))
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect(at.keyHsm.keys.size).toBe(0)
    expect(at.keyHsm.calls.at(-1)).toMatchObject({ verb: 'revoke', reason: 'discard' })
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('after an unknown commit the key stays, and the repeated request gets its answer', async () => {
    const at = await makeSurroundings({
      wrapStore: failingAt(3, () => new CommitUnknown(new Error('lost')), true),
    })
    const caller = await addCaller(at)
    const request = putRequest('a', 'one')
    const error = await failure(putDeposit(at.trustee, caller, request))
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect(at.keyHsm.count('revoke')).toBe(0)
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'unknown' })
    expect((await putDeposit(at.trustee, caller, request)).revision).toBe(1)
    expect(at.keyHsm.count('seal')).toBe(1)
  })

  test('after an unknown commit that did not happen the repeated request takes over', async () => {
    const at = await makeSurroundings({
      wrapStore: failingAt(3, () => new CommitUnknown(new Error('lost'))),
    })
    const caller = await addCaller(at)
    const request = putRequest('a', 'one')
    await failure(putDeposit(at.trustee, caller, request))
    expect(await at.store.listPendingPuts()).toHaveLength(1)
    expect((await putDeposit(at.trustee, caller, request)).revision).toBe(1)
    expect(await at.store.listPendingPuts()).toEqual([])
    expect(at.keyHsm.keys.size).toBe(2)
  })

  test('without an audit nothing is sealed and nothing stays reserved', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    await at.trustee.audit.close()
    const error = await failure(putDeposit(at.trustee, caller, putRequest('a', 'one')))
    expect(error.code).toBe('ERR_AUDIT_UNAVAILABLE')
    expect(at.keyHsm.calls).toEqual([])
    expect(await at.store.listPendingPuts()).toEqual([])
  })

  test('quotas are reserved before the HSM is touched', async () => {
    const at = await makeSurroundings({ limits: { depositsPerClient: 2 } })
    const caller = await addCaller(at)
    const results = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((handle) => putDeposit(at.trustee, caller, putRequest(handle, 'x'))),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
    expect(at.keyHsm.count('seal')).toBe(2)
    const refused = results.find((result) => result.status === 'rejected')
    expect(refused).toMatchObject({ reason: { code: 'ERR_QUOTA' } })
    expect((await putDeposit(at.trustee, caller, putRequest('a', 'y'))).revision).toBe(2)
  })

  test('the quota of HSM keys an hour counts replacements and comes back with time', async () => {
    const at = await makeSurroundings({ limits: { hsmKeysPerHourPerOrganisation: 2 } })
    const caller = await addCaller(at)
    await putDeposit(at.trustee, caller, putRequest('a', '1'))
    await putDeposit(at.trustee, caller, putRequest('a', '2'))
    const colleague = await addCaller(at, { organisation: caller.organisation })
    const error = await failure(putDeposit(at.trustee, colleague, putRequest('b', '3')))
    expect([error.code, error.retryAfterMs]).toEqual(['ERR_QUOTA', 60_000])
    at.clock.advance(3600_000 + 60_000)
    expect((await putDeposit(at.trustee, colleague, putRequest('b', '3'))).revision).toBe(1)
  })

  test('before joining: refused naming the command; passes through only when that is set', async () => {
    const at = await makeSurroundings({ sealing: 'none' })
    const caller = await addCaller(at)
    const error = await failure(
      (async () => putDeposit(at.trustee, caller, putRequest('a', 'x')))(),
    )
    expect(error.code).toBe('ERR_NOT_JOINED')
    expect(error.message).toContain('ktadmin keyhsm')

    const open = await makeSurroundings({ sealing: 'pass-through' })
    const other = await addCaller(open)
    const deposit = await putDeposit(open.trustee, other, putRequest('a', 'x'))
    expect(deposit.sealing).toBe('pass-through')
    const got = await retrieveDeposit(open.trustee, other, {
      requestId: newUuid(),
      ref: 'a',
      from: '127.0.0.1',
    })
    expect(got.content.toString()).toBe('x')
    expect(open.keyHsm.calls).toEqual([])
  })
})
