import { DomainError, newUuid } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { listDeposits } from '../../src/deposits/list-deposits.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { removeDeposit } from '../../src/deposits/remove-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import type { Store } from '../../src/store/store.js'
import type { Caller } from '../../src/trustee.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'

/** The store with the names of the reads that were made. */
function counting(seen: string[]) {
  return (store: Store): Store =>
    new Proxy(store, {
      get(target, name, receiver) {
        if (typeof name === 'string' && name.startsWith('find')) seen.push(name)
        return Reflect.get(target, name, receiver)
      },
    })
}

const get = (at: Surroundings, caller: Caller, ref: string) =>
  retrieveDeposit(at.trustee, caller, { requestId: newUuid(), ref, from: '127.0.0.1' })

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )
}

async function withDeposit(options: Parameters<typeof makeSurroundings>[0] = {}) {
  const at = await makeSurroundings(options)
  const owner = await addCaller(at)
  const deposit = await putDeposit(at.trustee, owner, putRequest('mine', 'content'))
  return { at, owner, deposit }
}

describe('retrieveDeposit', () => {
  test('finds by handle, deposit and revision; audits intent before and outcome after opening', async () => {
    const { at, owner, deposit } = await withDeposit()
    for (const ref of ['mine', deposit.uuid, deposit.revisionUuid])
      expect((await get(at, owner, ref)).content.toString()).toBe('content')
    const lines = (await at.auditLines()).filter(({ operation }) => operation === 'get')
    expect(lines.slice(0, 2).map(({ event, outcome }) => [event, outcome])).toEqual([
      ['intent', undefined],
      ['outcome', 'released'],
    ])
    expect(lines[0]).toMatchObject({ actor: owner.client.uuid, subject: { handle: 'mine' } })
  })

  test('a foreign handle and an absent one: same queries, same answer, never the HSM', async () => {
    const queries: string[] = []
    const { at, deposit } = await withDeposit({ wrapStore: counting(queries) })
    const thief = await addCaller(at)
    const before = at.keyHsm.calls.length
    const seen: unknown[] = []
    for (const ref of ['mine', 'absent', deposit.uuid, deposit.revisionUuid, newUuid()]) {
      queries.length = 0
      const error = await get(at, thief, ref).catch((thrown: unknown) => thrown as DomainError)
      seen.push([
        ref.length === 36,
        [...queries],
        (error as DomainError).code,
        (error as DomainError).message,
      ])
    }
    const [mine, absent, ...byUuid] = seen
    expect(mine).toEqual(absent)
    expect(byUuid[0]).toEqual(byUuid[2])
    expect(byUuid[1]).toEqual(byUuid[2])
    expect((mine as unknown[])[2]).toBe('ERR_NOT_FOUND')
    expect(at.keyHsm.calls).toHaveLength(before)
    expect((await at.auditLines()).at(-1)).toMatchObject({
      outcome: 'refused',
      reason: 'not-found',
    })
  })

  test('a colleague of the same organisation is a stranger too', async () => {
    const { at, owner } = await withDeposit()
    const colleague = await addCaller(at, { organisation: owner.organisation })
    expect(await codeOf(get(at, colleague, 'mine'))).toBe('ERR_NOT_FOUND')
  })

  test('irretrievable and unavailable look different, and the audit says which', async () => {
    const { at, owner } = await withDeposit()
    at.keyHsm.before = () => {
      throw new DomainError('ERR_WRONG_PARTITION', 'unavailable: wrong partition')
    }
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_WRONG_PARTITION')
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'unavailable' })
    at.keyHsm.before = () => {
      throw new DomainError('ERR_NOT_FOUND', 'no such route')
    }
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_HSM_UNAVAILABLE')
    at.keyHsm.before = () => undefined
    at.keyHsm.keys.clear()
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_IRRETRIEVABLE')
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'irretrievable' })
  })

  test('content is withheld when the outcome cannot be audited', async () => {
    const { at, owner } = await withDeposit()
    at.keyHsm.before = async (verb) => {
      if (verb === 'open') await at.trustee.audit.close()
    }
    expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_AUDIT_UNAVAILABLE')
  })
})

describe('rows changed by a database administrator', () => {
  /** Writes past the grants, as somebody with SQL does. */
  const tampered = {
    'a new owner': (thief: Caller) => ({
      owner: thief.client.uuid,
      organisation: thief.organisation.uuid,
    }),
    'state active again': () => ({ state: 'active' }),
    'an earlier revision': () => ({ revision: 0 }),
  } as const

  test.each(Object.keys(tampered) as (keyof typeof tampered)[])(
    '%s grants nothing',
    async (name) => {
      const change: { of?: string; columns?: object } = {}
      const tamper = (row: unknown): unknown => {
        const found = row as { deposit?: { uuid: string } } | undefined
        if (!found?.deposit || found.deposit.uuid !== change.of) return row
        return { ...found, deposit: { ...found.deposit, ...change.columns } }
      }
      const wrapStore = (store: Store): Store =>
        new Proxy(store, {
          get(target, key, receiver) {
            if (key !== 'findForRetrieval') return Reflect.get(target, key, receiver)
            return async (owner: never, ref: never) =>
              tamper(
                await target.findForRetrieval(
                  change.columns && 'owner' in change.columns
                    ? (change as never as { realOwner: never }).realOwner
                    : owner,
                  ref,
                ),
              )
          },
        })
      const { at, owner, deposit } = await withDeposit({ wrapStore })
      const thief = await addCaller(at)
      await putDeposit(at.trustee, owner, putRequest('mine', 'second'))
      await removeDeposit(at.trustee, owner, { requestId: newUuid(), ref: 'mine' })
      Object.assign(change, {
        of: deposit.uuid,
        columns: tampered[name](thief),
        realOwner: owner.client.uuid,
      })
      const before = at.keyHsm.calls.length
      const caller = name === 'a new owner' ? thief : owner
      expect(await codeOf(get(at, caller, 'mine'))).toBe('ERR_NOT_FOUND')
      expect(at.keyHsm.calls).toHaveLength(before)
      expect((await at.auditLines()).at(-1)).toMatchObject({
        outcome: 'integrity',
        reason: 'grant',
      })
    },
  )

  test('sealed bytes swapped between two deposits open neither', async () => {
    const at = await makeSurroundings()
    const caller = await addCaller(at)
    const one = await putDeposit(at.trustee, caller, putRequest('one', '1'))
    const two = await putDeposit(at.trustee, caller, putRequest('two', '2'))
    const bytes = new Map<string, Buffer>()
    for (const { uuid } of [one, two])
      bytes.set(uuid, (await at.store.findRevision(uuid as never, 1))?.stored ?? Buffer.alloc(0))
    const original = at.store.findForRetrieval.bind(at.store)
    at.store.findForRetrieval = async (owner, ref) => {
      const found = await original(owner, ref)
      if (!found) return found
      const other = found.deposit.uuid === one.uuid ? two.uuid : one.uuid
      return {
        ...found,
        revision: { ...found.revision, stored: bytes.get(other) ?? Buffer.alloc(0) },
      }
    }
    expect(await codeOf(get(at, caller, 'one'))).toBe('ERR_IRRETRIEVABLE')
    expect(await codeOf(get(at, caller, 'two'))).toBe('ERR_IRRETRIEVABLE')
  })

  test('a revision row with another uuid, or one that claims to be unsealed, is not believed', async () => {
    const { at, owner } = await withDeposit()
    const original = at.store.findForRetrieval.bind(at.store)
    for (const change of [
      { uuid: newUuid() },
      { sealing: 'pass-through', stored: Buffer.from('forged') },
    ] as const) {
      at.store.findForRetrieval = async (by, ref) => {
        const found = await original(by, ref)
        return found && { ...found, revision: { ...found.revision, ...change } }
      }
      expect(await codeOf(get(at, owner, 'mine'))).toBe('ERR_NOT_FOUND')
      expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'integrity' })
    }
    expect(at.keyHsm.count('open')).toBe(0)
  })

  test('a forged row in a list is left out and audited', async () => {
    const { at, owner } = await withDeposit()
    const forged = {
      ...at.grants.deposit(await rowOf(at, owner)),
      uuid: newUuid(),
      handle: 'forged' as never,
      grant: '0'.repeat(64),
    }
    await at.store.withTransaction(async (transaction) => {
      const revision = await transaction.findRevision(await depositOf(at, owner), 1)
      if (revision)
        await transaction.insertDeposit(forged, {
          ...revision,
          uuid: newUuid(),
          deposit: forged.uuid,
        })
    })
    const { deposits } = await listDeposits(at.trustee, owner, { requestId: newUuid() })
    expect(deposits.map(({ handle }) => handle)).toEqual(['mine'])
    expect((await at.auditLines()).at(-1)).toMatchObject({
      operation: 'list',
      outcome: 'integrity',
    })
  })
})

async function rowOf(at: Surroundings, owner: Caller) {
  const row = await at.store.findDeposit({ owner: owner.client.uuid, handle: 'mine' as never })
  if (!row) throw new Error('the deposit is not there')
  return row
}

async function depositOf(at: Surroundings, owner: Caller) {
  return (await rowOf(at, owner)).uuid
}
