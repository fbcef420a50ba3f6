import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import type { Client, Store } from '../../../src/store/store.js'
import { enrol, pendingPutRow } from '../../support/rows.js'
import { freshDatabase, type TestDatabase, withClient } from '../../support/with-postgres.js'

let database: TestDatabase
let store: Store
let client: Client

beforeAll(async () => {
  database = await freshDatabase()
  store = await openPostgresStore({ address: database.service, cluster: 'private' })
  client = (await enrol(store)).client
}, 60_000)
afterAll(() => store.close())

/** Inserts into these tables meet this SQLSTATE while `work` runs. */
async function withTrigger(
  state: string,
  tables: readonly string[],
  work: () => Promise<void>,
): Promise<void> {
  const statements = [
    `create function fail() returns trigger language plpgsql as
      'begin raise exception using errcode = ''${state}''; end'`,
    ...tables.map(
      (table) => `create trigger fail before insert on keytrustee.${table}
        for each row execute function fail()`,
    ),
  ]
  const run = (text: string) => withClient(database.administrator, (to) => to.query(text))
  await run(statements.join(';'))
  try {
    await work()
  } finally {
    await run('drop function fail cascade')
  }
}

const write = () =>
  store.withTransaction((transaction) => transaction.insertPendingPut(pendingPutRow(client)))

async function countRequests(): Promise<string> {
  const rows = await withClient(database.administrator, (to) =>
    to.query<{ count: string }>('select count(*) from keytrustee.requests'),
  )
  return rows.rows[0]?.count ?? ''
}

describe('a full disk', () => {
  it('shows in the health once a transaction met it, and no longer when there is room', async () => {
    expect(await store.probe()).toMatchObject({ state: 'ready' })
    await withTrigger('53100', ['pending_puts', 'requests'], async () => {
      expect(await store.probe()).toMatchObject({ state: 'ready' })
      await expect(write()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      const full = { state: 'unavailable', detail: 'the disk of the database is full' }
      expect(await store.probe()).toEqual(full)
      expect(await store.probe()).toEqual(full)
    })
    expect(await store.probe()).toMatchObject({ state: 'ready' })
    expect(await countRequests()).toBe('0')
    await write()
  })

  it('is not what other failures are taken for', async () => {
    await withTrigger('58030', ['pending_puts', 'requests'], async () => {
      await expect(write()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      expect(await store.probe()).toMatchObject({ state: 'ready' })
    })
  })
})
