import { DomainError } from '@keyhsm/core'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import { type Client, CommitUnknown, type Store } from '../../../src/store/store.js'
import { depositRow, enrol, pendingPutRow, putDeposit, revisionRow } from '../../support/rows.js'
import { openSocketProxy, type SocketProxy } from '../../support/socket-proxy.js'
import { freshDatabase, type TestDatabase, withClient } from '../../support/with-postgres.js'

let database: TestDatabase
let proxy: SocketProxy
let direct: Store
let store: Store
let client: Client

beforeAll(async () => {
  database = await freshDatabase()
  proxy = await openSocketProxy(database.service)
  const timeouts = { lockMs: 300, statementMs: 1_000, answerMs: 3_000 }
  direct = await openPostgresStore({ address: database.service, cluster: 'private' })
  store = await openPostgresStore({ address: proxy.address, cluster: 'private', timeouts })
  client = (await enrol(store)).client
}, 60_000)
afterAll(async () => {
  await store.close()
  await direct.close()
  await proxy.close()
})

function asAdministrator<Result>(
  work: (connection: pg.Client) => Promise<Result>,
): Promise<Result> {
  return withClient(database.administrator, work)
}

async function terminateBackends(): Promise<void> {
  await asAdministrator((connection) =>
    connection.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    ),
  )
}

function put(through: Store) {
  const deposit = depositRow(client)
  const done = through.withTransaction((transaction) =>
    transaction.insertDeposit(deposit, revisionRow(deposit)),
  )
  return { deposit, done }
}

describe('a connection lost around COMMIT', () => {
  it('is CommitUnknown when only the answer was lost: the rows are there', async () => {
    proxy.cut = 'answer'
    const { deposit, done } = put(store)
    await expect(done).rejects.toBeInstanceOf(CommitUnknown)
    proxy.cut = 'none'
    expect(await direct.findDeposit(deposit)).toEqual(deposit)
  })

  it('is CommitUnknown when the request was lost: the rows are not there', async () => {
    proxy.cut = 'request'
    const { deposit, done } = put(store)
    await expect(done).rejects.toBeInstanceOf(CommitUnknown)
    proxy.cut = 'none'
    expect(await direct.findDeposit(deposit)).toBeUndefined()
  })

  it('is CommitUnknown when the server shuts the connection down while it commits', async () => {
    await asAdministrator((connection) =>
      connection.query(
        `create function slow() returns trigger language plpgsql as
           'begin perform pg_sleep(5); return null; end';
         create constraint trigger slow after insert on keytrustee.requests
           deferrable initially deferred for each row execute function slow()`,
      ),
    )
    const done = direct.withTransaction((transaction) =>
      transaction.insertRequest({
        requestId: client.uuid,
        client: client.uuid,
        requestHash: client.keyFingerprint,
        reply: '{}',
        createdAt: new Date(),
      }),
    )
    const expected = expect(done).rejects.toBeInstanceOf(CommitUnknown)
    await waitForWords('commit')
    await terminateBackends()
    await expected
    await asAdministrator((connection) => connection.query('drop function slow cascade'))
  })

  it('is certain when it was lost before COMMIT', async () => {
    const deposit = depositRow(client)
    const error = await store
      .withTransaction(async (transaction) => {
        await transaction.insertDeposit(deposit, revisionRow(deposit))
        await terminateBackends()
        await waitForBackends(0)
      })
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(error).not.toBeInstanceOf(CommitUnknown)
    expect(await direct.findDeposit(deposit)).toBeUndefined()
  })

  it('costs nothing but that transaction: the pool goes on', async () => {
    await terminateBackends()
    await waitForBackends(0)
    await putDeposit(store, client)
    expect((await store.probe()).state).toBe('ready')
  })
})

describe('a transaction that PostgreSQL refuses', () => {
  it('is repeated after a deadlock, until both are done', async () => {
    const other = (await enrol(store)).client
    let runs = 0
    let locked = 0
    let meet: () => void = () => undefined
    const met = new Promise<void>((resolve) => {
      meet = resolve
    })
    const lockBoth = (first: Client, second: Client) =>
      direct.withTransaction(async (transaction) => {
        runs += 1
        await transaction.lockOrganisation(first.organisation)
        // The lock itself is not waited for; what comes after it is.
        await transaction.findOrganisation({ uuid: first.organisation })
        locked += 1
        if (locked === 2) meet()
        await met
        await transaction.lockOrganisation(second.organisation)
        await transaction.insertPendingPut(pendingPutRow(first))
      })
    await Promise.all([lockBoth(client, other), lockBoth(other, client)])
    // Two, and at least one more: on a slow machine the one that tries again may meet the other once more.
    expect(runs).toBeGreaterThanOrEqual(3)
    expect(runs).toBeLessThanOrEqual(6)
  }, 20_000)

  it('is given up after two repetitions', async () => {
    await withTrigger('40001', async () => {
      let runs = 0
      const done = direct.withTransaction(async (transaction) => {
        runs += 1
        await transaction.insertPendingPut(pendingPutRow(client))
      })
      await expect(done).rejects.toMatchObject({ code: 'ERR_BUSY' })
      expect(runs).toBe(3)
    })
  })

  it.each([
    ['53100', 'the disk of the database is full'],
    ['58030', 'the database is not available'],
  ])('is not available at SQLSTATE %s, and works when that is over', async (state, words) => {
    await withTrigger(state, async () => {
      const done = direct.withTransaction((transaction) =>
        transaction.insertPendingPut(pendingPutRow(client)),
      )
      await expect(done).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE', message: words })
    })
    await direct.withTransaction((transaction) =>
      transaction.insertPendingPut(pendingPutRow(client)),
    )
  })

  it('is busy when a lock does not come free', async () => {
    await asAdministrator(async (connection) => {
      await connection.query('begin')
      await connection.query('lock table keytrustee.organisations in exclusive mode')
      const done = store.withTransaction((transaction) =>
        transaction.lockOrganisation(client.organisation),
      )
      await expect(done).rejects.toMatchObject({ code: 'ERR_BUSY' })
      await connection.query('rollback')
    })
  })

  it('is refused by a read-only database that still answers reads', async () => {
    const { deposit } = await putDeposit(direct, client)
    await withSetting('default_transaction_read_only', 'on', async () => {
      const done = put(direct).done
      await expect(done).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        message: expect.stringContaining('read-only'),
      })
      const found = await direct.findForRetrieval(client.uuid, { handle: deposit.handle })
      expect(found?.deposit).toEqual(deposit)
    })
  })
})

describe('the deletion of an organisation', () => {
  it('is refused when a put that was under way is committed meanwhile', async () => {
    const { organisation, client: owner } = await enrol(direct)
    const deposit = depositRow(owner)
    let deleted: Promise<unknown> = Promise.resolve()
    await direct.withTransaction(async (transaction) => {
      await transaction.insertDeposit(deposit, revisionRow(deposit))
      await transaction.findDeposit(deposit)
      deleted = direct
        .withTransaction((other) => other.deleteOrganisation(organisation.uuid))
        .catch((error: unknown) => error)
      const waits = `wait_event_type = 'Lock' and query like '%delete_organisation%'`
      await expect.poll(() => backends(waits), { timeout: 3_000 }).toBe(1)
    })
    expect(await deleted).toMatchObject({ code: 'ERR_CONFLICT' })
    expect(await direct.findDeposit(deposit)).toEqual(deposit)
  })
})

describe('what a caller sees', () => {
  it('never holds SQL or the words of the server', async () => {
    const { deposit } = await putDeposit(store, client)
    const again = { ...depositRow(client), handle: deposit.handle }
    const error = await store
      .withTransaction((transaction) => transaction.insertDeposit(again, revisionRow(again)))
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(DomainError)
    const { message, hints } = error as DomainError
    expect(`${message} ${hints.join(' ')}`).not.toMatch(/insert|duplicate|constraint|deposits_/)
  })
})

/** Inserting a pending put fails with this SQLSTATE meanwhile. */
async function withTrigger(state: string, work: () => Promise<void>): Promise<void> {
  await asAdministrator((connection) =>
    connection.query(
      `create function fail() returns trigger language plpgsql as
         'begin raise exception using errcode = ''${state}''; end';
       create trigger fail before insert on keytrustee.pending_puts
         for each row execute function fail()`,
    ),
  )
  await work()
  await asAdministrator((connection) => connection.query('drop function fail cascade'))
}

/** New connections get the setting; the old ones are closed. */
async function withSetting(name: string, value: string, work: () => Promise<void>): Promise<void> {
  const alter = (words: string) =>
    asAdministrator(async (connection) => {
      await connection.query('set default_transaction_read_only = off')
      await connection.query(`alter database ${database.service.database} ${words}`)
    })
  await alter(`set ${name} = ${value}`)
  await terminateBackends()
  await waitForBackends(0)
  await work()
  await alter(`reset ${name}`)
  await terminateBackends()
  await waitForBackends(0)
}

async function backends(condition: string): Promise<number> {
  const { rows } = await asAdministrator((connection) =>
    connection.query<{ count: number }>(
      `select count(*)::integer as count from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid() and ${condition}`,
    ),
  )
  return rows[0]?.count ?? 0
}

async function waitForBackends(count: number): Promise<void> {
  await expect.poll(() => backends('true'), { timeout: 5_000 }).toBe(count)
}

async function waitForWords(words: string): Promise<void> {
  const running = `state = 'active' and query = '${words}'`
  await expect.poll(() => backends(running), { timeout: 5_000 }).toBe(1)
}
