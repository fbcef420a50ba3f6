import { describe, expect, it, test } from 'vitest'
import { installSchema } from '../../../src/store/postgres/install-schema.js'
import { type Migration, migrations } from '../../../src/store/postgres/migrations/index.js'
import { planMigrations } from '../../../src/store/postgres/plan-migrations.js'
import { freshDatabase, withClient } from '../../support/with-postgres.js'

/** Locks that keep others waiting, on tables that were there before, as PostgreSQL itself shows them. */
const heldLocks = `select c.relname::text as table,
    case when bool_or(l.mode = 'AccessExclusiveLock') then 'all' else 'writes' end as stops
  from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'keytrustee' and c.relkind = 'r' and c.relname = any($1::text[])
    and l.pid = pg_catalog.pg_backend_pid()
    and l.mode in ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
  group by c.relname order by c.relname`
const tablesThere = `select relname::text as table from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'keytrustee' and relkind = 'r'`

test('every migration locks what it says, and nothing else', async () => {
  const { administrator } = await freshDatabase({ blank: true })
  await installSchema({ address: administrator, migrations: migrations.slice(0, 1) })
  await withClient(administrator, async (client) => {
    await client.query('set search_path = keytrustee, pg_temp')
    for (const { name, locks, sql } of migrations.slice(1)) {
      const { rows: before } = await client.query<{ table: string }>(tablesThere)
      await client.query('begin')
      await client.query(sql)
      const { rows } = await client.query(heldLocks, [before.map(({ table }) => table)])
      await client.query('commit')
      const said = locks
        .map(({ table, stops }) => ({ table, stops }))
        .sort((a, b) => (a.table < b.table ? -1 : 1))
      expect(rows, name).toEqual(said)
    }
  })
})

describe('planMigrations', () => {
  it('says what is missing and how much is locked, and changes nothing', async () => {
    const { administrator } = await freshDatabase({ blank: true })
    const known: readonly Migration[] = [
      {
        version: 1,
        name: 'one',
        changes: 'makes a table',
        locks: [],
        sql: 'create table t (a text)',
      },
      {
        version: 2,
        name: 'two',
        changes: 'reads the table',
        locks: [{ table: 't', stops: 'all', work: 'rewrite' }],
        sql: '',
      },
    ]
    const before = await planMigrations(administrator, known)
    expect(before).toMatchObject({ installed: 0, known: 2 })
    expect(before.migrations.map(({ name }) => name)).toEqual(['one', 'two'])
    await installSchema({ address: administrator, migrations: known.slice(0, 1) })
    await withClient(administrator, (client) =>
      client.query(
        `insert into keytrustee.t select repeat('x', 1000) from generate_series(1, 3000);
         analyze keytrustee.t`,
      ),
    )
    const [two, ...more] = (await planMigrations(administrator, known)).migrations
    expect(more).toEqual([])
    expect(two?.locks[0]).toMatchObject({ table: 't', rows: 3000 })
    expect(two?.locks[0]?.bytes).toBeGreaterThan(3_000_000)
    expect(two?.aboutMs).toBeGreaterThan(200)
    expect((await planMigrations(administrator, known)).installed).toBe(1)
  })

  it('is empty where nothing is missing', async () => {
    const { service } = await freshDatabase()
    expect(await planMigrations(service)).toEqual({
      installed: migrations.length,
      known: migrations.length,
      migrations: [],
    })
  })
})
