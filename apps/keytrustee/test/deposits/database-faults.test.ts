/** Against a real PostgreSQL: a line cut at COMMIT, and a database administrator who writes what he likes. */
import { type DomainError, newUuid } from '@keyhsm/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { putDeposit } from '../../src/deposits/put-deposit.js'
import { retrieveDeposit } from '../../src/deposits/retrieve-deposit.js'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.js'
import type { Store } from '../../src/store/store.js'
import type { Caller } from '../../src/trustee.js'
import { openSocketProxy, type SocketProxy } from '../support/socket-proxy.js'
import {
  addCaller,
  makeSurroundings,
  putRequest,
  type Surroundings,
} from '../support/surroundings.js'
import { freshDatabase, type TestDatabase, withClient } from '../support/with-postgres.js'

let database: TestDatabase
let proxy: SocketProxy
let store: Store

beforeAll(async () => {
  database = await freshDatabase()
  proxy = await openSocketProxy(database.service)
  const timeouts = { lockMs: 1_000, statementMs: 3_000, answerMs: 5_000 }
  store = await openPostgresStore({ address: proxy.address, cluster: 'private', timeouts })
}, 60_000)
afterAll(async () => {
  await store.close()
  await proxy.close()
})

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

async function withCaller() {
  const at = await makeSurroundings({ store })
  return { at, caller: await addCaller(at) }
}

const get = (at: Surroundings, caller: Caller, ref: string) =>
  retrieveDeposit(at.trustee, caller, { requestId: newUuid(), ref, from: '127.0.0.1' })

/** Cuts the line from the moment the HSM has sealed: the next COMMIT is that of the deposit. */
function cutAfterSealing(at: Surroundings, cut: 'request' | 'answer'): void {
  at.keyHsm.before = () => {
    proxy.cut = cut
  }
}

function mend(at: Surroundings): void {
  at.keyHsm.before = () => undefined
  proxy.cut = 'none'
}

describe('the line cut at COMMIT', () => {
  test('answer lost: unknown, the HSM key stays, the repeated request has one effect', async () => {
    const { at, caller } = await withCaller()
    const request = putRequest('a', 'content')
    cutAfterSealing(at, 'answer')
    const error = await failure(putDeposit(at.trustee, caller, request))
    mend(at)
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'unknown' })
    expect(at.keyHsm.count('revoke')).toBe(0)
    expect((await putDeposit(at.trustee, caller, request)).revision).toBe(1)
    expect(at.keyHsm.count('seal')).toBe(1)
    expect((await get(at, caller, 'a')).content.toString()).toBe('content')
  })

  test('request lost: unknown, nothing acknowledged, the repeated request stores it', async () => {
    const { at, caller } = await withCaller()
    const request = putRequest('a', 'content')
    cutAfterSealing(at, 'request')
    const error = await failure(putDeposit(at.trustee, caller, request))
    mend(at)
    expect(error.code).toBe('ERR_STORE_UNAVAILABLE')
    expect(at.keyHsm.count('revoke')).toBe(0)
    expect((await putDeposit(at.trustee, caller, request)).revision).toBe(1)
    expect((await get(at, caller, 'a')).content.toString()).toBe('content')
    // The first key is an orphan now; prune will say so.
    expect(at.keyHsm.keys.size).toBe(2)
    expect(await at.store.listPendingPuts()).toEqual([])
  })
})

describe('a database administrator', () => {
  const sql = (text: string, values: readonly unknown[] = []) =>
    withClient(database.administrator, async (client) => {
      await client.query('set search_path = keytrustee')
      // Even with the constraints out of his way.
      await client.query("set session_replication_role = 'replica'")
      return client.query(text, [...values])
    })

  async function withTwoDeposits() {
    const { at, caller } = await withCaller()
    const one = await putDeposit(at.trustee, caller, putRequest('one', '1'))
    const two = await putDeposit(at.trustee, caller, putRequest('two', '2'))
    const thief = await addCaller(at)
    return { at, caller, one, two, thief }
  }

  async function expectNothingGranted(at: Surroundings, caller: Caller, ref: string) {
    const opens = at.keyHsm.count('open')
    expect((await failure(get(at, caller, ref))).code).toBe('ERR_NOT_FOUND')
    expect(at.keyHsm.count('open')).toBe(opens)
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'integrity', reason: 'grant' })
  }

  test('gives a deposit another owner: not granted', async () => {
    const { at, one, thief } = await withTwoDeposits()
    await sql('update deposits set owner = $1, organisation = $2 where uuid = $3', [
      thief.client.uuid,
      thief.organisation.uuid,
      one.uuid,
    ])
    await expectNothingGranted(at, thief, 'one')
  })

  test('copies a row to another organisation: not granted', async () => {
    const { at, one, thief } = await withTwoDeposits()
    const copy = newUuid()
    await sql(
      `insert into deposits select $1, $2, $3, handle, state, revision, created_at, updated_at, undelete_until, grant_mac
       from deposits where uuid = $4`,
      [copy, thief.organisation.uuid, thief.client.uuid, one.uuid],
    )
    await sql(
      `insert into revisions (uuid, deposit, revision, sealing, content_bytes, hsm_key_id, hsm_key_label, scope, kind, created_at, stored)
       select gen_random_uuid(), $1, revision, sealing, content_bytes, hsm_key_id, hsm_key_label, scope, kind, created_at, stored
       from revisions where deposit = $2`,
      [copy, one.uuid],
    )
    await expectNothingGranted(at, thief, 'one')
    await expectNothingGranted(at, thief, copy)
  })

  test('brings a removed deposit or an old revision back: not granted', async () => {
    const { at, caller, one } = await withTwoDeposits()
    await putDeposit(at.trustee, caller, putRequest('one', 'second'))
    await sql('update deposits set revision = 1 where uuid = $1', [one.uuid])
    await expectNothingGranted(at, caller, 'one')
  })

  test('swaps the sealed bytes of two rows, or flips one bit: nothing opens', async () => {
    const { at, caller, one, two } = await withTwoDeposits()
    await sql(
      `update revisions r set stored = o.stored from revisions o
       where (r.deposit, o.deposit) in (($1::uuid, $2::uuid), ($2::uuid, $1::uuid))`,
      [one.uuid, two.uuid],
    )
    for (const ref of ['one', 'two'])
      expect((await failure(get(at, caller, ref))).code).toBe('ERR_IRRETRIEVABLE')
    const three = await putDeposit(at.trustee, caller, putRequest('three', '3'))
    await sql(
      'update revisions set stored = set_bit(stored, 8 * octet_length(stored) - 1, 1 - get_bit(stored, 8 * octet_length(stored) - 1)) where deposit = $1',
      [three.uuid],
    )
    expect((await failure(get(at, caller, 'three'))).code).toBe('ERR_IRRETRIEVABLE')
    expect((await at.auditLines()).at(-1)).toMatchObject({ outcome: 'irretrievable' })
  })

  test('stores bytes of his own as unsealed: not granted once the server is joined', async () => {
    const { at, caller, one } = await withTwoDeposits()
    await sql(
      `update revisions set sealing = 'pass-through', hsm_key_id = null, stored = 'forged' where deposit = $1`,
      [one.uuid],
    )
    expect((await failure(get(at, caller, 'one'))).code).toBe('ERR_NOT_FOUND')
    expect((await at.auditLines()).at(-1)).toMatchObject({
      outcome: 'integrity',
      reason: 'sealing',
    })
  })
})
