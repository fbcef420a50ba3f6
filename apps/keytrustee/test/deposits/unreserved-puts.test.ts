/** Puts that make no HSM key, so that nothing but their commit has to be fenced. */
import { type DomainError, newUuid } from '@keyhsm/core'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { createDepositQueue } from '../../src/deposits/deposit-queue.js'
import { putBatch } from '../../src/deposits/put-batch.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { createKeyHsmSealer } from '../../src/sealing/key-hsm-sealer.js'
import { shareTransactions } from '../../src/store/share-transactions.js'
import type { Trustee } from '../../src/trustee.js'
import { canary } from '../support/key-hsm-double.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

const scope = 'service' as const

function request(handle: string, text: string, requestId = newUuid()) {
  const put = putRequest(handle, text, { requestId })
  return { ...put, put: { ...put.put, scope } }
}

/** Another server on the same database and the same Key HSM. */
function another({ trustee, store }: Surroundings): Trustee {
  return { ...trustee, queue: createDepositQueue(), commits: shareTransactions(store) }
}

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

describe('a put under a shared HSM key', () => {
  test('is one transaction, comes back identical, and is replaced', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const steps: unknown[] = []
    const listen = (step: unknown) => steps.push(step)
    subscribe('keyhsm:step', listen)
    await putDeposit(at.trustee, caller, request('a', 'one'))
    unsubscribe('keyhsm:step', listen)
    expect(steps).not.toContain('put:reserved')
    expect(steps).toContain('put:committed')
    const second = await putDeposit(at.trustee, caller, request('a', 'two'))
    expect(second.revision).toBe(2)
    const got = await retrieveDeposit(at.trustee, caller, {
      requestId: newUuid(),
      ref: 'a',
      from: '127.0.0.1',
    })
    expect(got.content.toString()).toBe('two')
  })

  test('a repeated request has one effect; with other content it is a conflict', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const id = newUuid()
    const first = await putDeposit(at.trustee, caller, request('a', 'one', id))
    expect(await putDeposit(at.trustee, caller, request('a', 'one', id))).toEqual(first)
    expect(at.keyHsm.count('seal')).toBe(1)
    const error = await failure(putDeposit(at.trustee, caller, request('a', 'other', id)))
    expect(error.code).toBe('ERR_CONFLICT')
  })

  test('the same request on two servers at once: one effect, one answer to both', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const id = newUuid()
    const answers = await Promise.all(
      [at.trustee, another(at)].map((server) =>
        putDeposit(server, caller, request('a', 'one', id)),
      ),
    )
    expect(answers[0]).toEqual(answers[1])
    expect(answers[0]?.revision).toBe(1)
    const usage = await at.store.readUsage({ client: caller.client.uuid }, at.clock.now())
    expect(usage.deposits).toBe(1)
  })

  test('one handle on two servers at once becomes two revisions; with If-None-Match one is told', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const servers = [at.trustee, another(at)]
    const both = await Promise.all(
      servers.map((server, index) => putDeposit(server, caller, request('b', `from ${index}`))),
    )
    expect(both.map(({ revision }) => revision).sort((a, b) => a - b)).toEqual([1, 2])
    const headers = { 'if-none-match': '*' }
    const results = await Promise.allSettled(
      servers.map((server, index) =>
        putDeposit(server, caller, { ...request('a', `from ${index}`), headers }),
      ),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    const refused = results.find(({ status }) => status === 'rejected')
    expect(refused).toMatchObject({ reason: { code: 'ERR_ALREADY_EXISTS' } })
  })

  test('quotas hold when two servers race for the last places', async () => {
    const at = await makeSurroundings({ limits: { depositsPerClient: 3 } })
    const caller = await addCaller(at)
    const servers = [at.trustee, another(at)]
    const results = await Promise.allSettled(
      servers.flatMap((server, index) =>
        ['a', 'b', 'c', 'd'].map((handle) =>
          putDeposit(server, caller, request(`${handle}${index}`, 'x')),
        ),
      ),
    )
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ERR_QUOTA' })
    const seals = at.keyHsm.count('seal')
    await failure(putDeposit(at.trustee, caller, request('z', 'x')))
    expect(at.keyHsm.count('seal')).toBe(seals)
  })

  test('a batch is stored and removed as a whole or not at all', async () => {
    const at = await makeSurroundings({ limits: { depositsPerClient: 3 } })
    const caller = await addCaller(at)
    await putDeposit(at.trustee, caller, request('old', 'x'))
    const put = (handle: string) => ({ ...request(handle, handle).put })
    const batch = { requestId: newUuid(), puts: ['a', 'b'].map(put), removes: ['old'] }
    const { deposits, removed } = await putBatch(at.trustee, caller, batch)
    expect([deposits.length, removed.length]).toEqual([2, 1])
    const more = { requestId: newUuid(), puts: ['c', 'd'].map(put), removes: [] }
    expect((await failure(putBatch(at.trustee, caller, more))).code).toBe('ERR_QUOTA')
    expect((await at.store.listDeposits({ limit: 9 })).deposits).toHaveLength(3)
  })

  test('that makes a key of its own after all, because the setting was changed, is counted', async () => {
    const at = await makeSurroundings({ limits: { hsmKeysPerHourPerClient: 2 } })
    const caller = await addCaller(at)
    // As joined while the setting was `service`; Key HSM makes a key a deposit by now.
    at.trustee.sealing.join(createKeyHsmSealer(at.keyHsm, { canary }, 'service'))
    const put = (handle: string) => putDeposit(at.trustee, caller, putRequest(handle, 'x'))
    await put('a')
    const of = { client: caller.client.uuid }
    expect((await at.store.readUsage(of, new Date(0))).hsmKeys).toBe(1)
    at.trustee.sealing.join(createKeyHsmSealer(at.keyHsm, { canary }, 'deposit'))
    await put('b')
    expect((await failure(put('c'))).code).toBe('ERR_QUOTA')
    expect(at.keyHsm.count('seal')).toBe(2)
  })
})
