import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { findBinaries } from '../../../src/cluster/binaries.js'
import { ensureSchema, installSchema } from '../../../src/store/postgres/install-schema.js'
import {
  type Migration,
  migrations,
  previousSchema,
} from '../../../src/store/postgres/migrations/index.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import { checkSchema } from '../../../src/store/postgres/schema-version.js'
import { version as program } from '../../../src/version.js'
import { enrol, putDeposit } from '../../support/rows.js'
import { freshDatabase, type TestDatabase, withClient } from '../../support/with-postgres.js'

const appliedSql = 'select version, name from keytrustee.schema_migrations order by version'

async function applied({ administrator }: TestDatabase): Promise<readonly unknown[]> {
  return withClient(administrator, async (client) => (await client.query(appliedSql)).rows)
}

/** The dump without what differs between releases of pg_dump: comments, settings, psql commands. */
function essential(dump: string): string {
  return dump
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\|\s*$)/.test(line))
    .join('\n')
}

const step: Migration = { version: 1, name: 'x', changes: 'nothing', locks: [], sql: '' }

describe('installSchema', () => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await freshDatabase({ blank: true })
  }, 60_000)

  it('is safe when 20 install at once', async () => {
    const serviceRole = database.service.user
    const install = () => installSchema({ address: database.administrator, serviceRole })
    const versions = await Promise.all(Array.from({ length: 20 }, install))
    expect(new Set(versions)).toEqual(new Set([migrations.length]))
    expect(await applied(database)).toEqual(
      migrations.map(({ version, name }) => ({ version, name })),
    )
  }, 30_000)

  it('makes the schema that schema.sql shows', async () => {
    const { host, port, user, database: name } = database.administrator
    const dump = execFileSync(
      join(findBinaries(), 'pg_dump'),
      ['-s', '-n', 'keytrustee', '-O', '-x', '-h', host, '-p', String(port), '-U', user, name],
      { encoding: 'utf8' },
    )
    await expect(`${essential(dump)}\n`).toMatchFileSnapshot(
      '../../../src/store/postgres/schema.sql',
    )
  })

  it('applies only what is missing, in order', async () => {
    const older = await freshDatabase({ blank: true })
    const steps: readonly Migration[] = [
      { ...step, version: 1, name: 'one', sql: 'create table first (a integer)' },
      { ...step, version: 2, name: 'two', sql: 'alter table first add column b integer' },
    ]
    const install = (known: readonly Migration[]) =>
      installSchema({ address: older.administrator, migrations: known })
    expect(await install(steps.slice(0, 1))).toBe(1)
    expect(await install(steps)).toBe(2)
    expect(await install(steps)).toBe(2)
    expect(await applied(older)).toEqual([
      { version: 1, name: 'one' },
      { version: 2, name: 'two' },
    ])
  })

  it('leaves nothing of a migration that fails', async () => {
    const blank = await freshDatabase({ blank: true })
    const broken = [{ ...step, sql: 'create table half (); select 1 / 0' }]
    const install = installSchema({ address: blank.administrator, migrations: broken })
    await expect(install).rejects.toMatchObject({ code: 'ERR_INTERNAL' })
    expect(await applied(blank)).toEqual([])
    const tables = await withClient(blank.administrator, (client) =>
      client.query(`select from pg_tables where tablename = 'half'`),
    )
    expect(tables.rowCount).toBe(0)
  })

  it('refuses a newer schema than the code, to install and to open', async () => {
    const newer = await freshDatabase()
    await withClient(newer.administrator, (client) =>
      client.query(`insert into keytrustee.schema_migrations (version, name) values (9999, 'x')`),
    )
    const refusal = {
      code: 'ERR_SETTINGS',
      message: expect.stringMatching(/9999.*newer|newer.*9999/),
    }
    await expect(installSchema({ address: newer.administrator })).rejects.toMatchObject(refusal)
    const open = openPostgresStore({ address: newer.service, cluster: 'private' })
    await expect(open).rejects.toMatchObject(refusal)
  })

  it('names the release that the newer schema needs', async () => {
    const newer = await freshDatabase()
    await withClient(newer.administrator, (client) =>
      client.query(
        `insert into keytrustee.schema_migrations (version, name, program) values (9999, 'x', '7.8.9')`,
      ),
    )
    await expect(ensureSchema(newer.service)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      hints: [expect.stringContaining('release 7.8.9'), expect.stringContaining('backup')],
    })
  })

  it('notes which release made a version', async () => {
    const { rows } = await withClient(database.administrator, (client) =>
      client.query('select program from keytrustee.schema_migrations order by version'),
    )
    expect(rows.at(-1)).toEqual({ program })
  })

  it('gives way to a transaction that holds a table for long', async () => {
    const held = await freshDatabase({ blank: true })
    const known = (sql: string) => [
      { ...step, sql: 'create table t (a integer)' },
      { ...step, version: 2, sql: `set local lock_timeout = 50; ${sql}` },
    ]
    const install = (migrations: readonly Migration[]) =>
      installSchema({ address: held.administrator, migrations })
    await install(known('').slice(0, 1))
    await withClient(held.administrator, async (client) => {
      await client.query('begin; lock table keytrustee.t in access share mode')
      await expect(install(known('alter table t add column b integer'))).rejects.toMatchObject({
        code: 'ERR_BUSY',
        message: expect.stringContaining('version 2'),
      })
    })
    expect(await applied(held)).toHaveLength(1)
  })

  it('numbers its migrations from 1 without gaps', () => {
    expect(migrations.map(({ version }) => version)).toEqual(
      migrations.map((_, index) => index + 1),
    )
  })
})

/** What the domains accept, by the rules of the first schema and of this one. */
describe('the domains', () => {
  const long = (length: number) => 'a'.repeat(length)
  const values = {
    handle: ['a', 'Z9._-', long(128), long(129), '', '.a', '-a', 'a b', 'a\n', 'ä'],
    short_name: ['a', long(64), long(65), '', '_a', 'a/b', 'a\n'],
    fingerprint: [long(64), '0'.repeat(64), long(63), long(65), 'A'.repeat(64), `${long(63)}g`, ''],
    hsm_key_id: [long(32), long(31), long(33), 'F'.repeat(32), `${long(31)}\n`],
  }

  it('accept and refuse the same as before', async () => {
    const before = await freshDatabase({ blank: true })
    const first = migrations.filter(({ version }) => version < 12)
    await installSchema({ address: before.administrator, migrations: first })
    const now = await freshDatabase()
    const old = await verdicts(before)
    expect(await verdicts(now)).toEqual(old)
    expect(new Set(old.map(({ accepted }) => accepted))).toEqual(new Set([true, false]))
  })

  function verdicts({ administrator }: TestDatabase) {
    return withClient(administrator, async (client) => {
      const found: { domain: string; value: string; accepted: boolean }[] = []
      for (const [domain, words] of Object.entries(values))
        for (const value of words) {
          const cast = client.query(`select $1::keytrustee.${domain}`, [value])
          const accepted = await cast.then(
            () => true,
            (error: unknown) => (expect(error).toMatchObject({ code: '23514' }), false),
          )
          found.push({ domain, value, accepted })
        }
      return found
    })
  }
})

describe('checkSchema', () => {
  it('refuses a database without the schema', async () => {
    const { administrator } = await freshDatabase({ blank: true })
    await expect(checkSchema(administrator)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('version 0'),
    })
  })

  it('takes the schema of the release before, none that is older', async () => {
    const before = await schemaAt(previousSchema)
    expect(await checkSchema(before.administrator)).toBe(previousSchema)
    const older = await schemaAt(previousSchema - 1)
    await expect(checkSchema(older.administrator)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      hints: [expect.stringContaining('ktadmin db migrate')],
    })
  })

  it('names role and database when it is not let in', async () => {
    const { administrator } = await freshDatabase({ blank: true })
    const stranger = { ...administrator, user: 'nobody_here' }
    await expect(checkSchema(stranger)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('refuses the role nobody_here'),
    })
  })
})

/** A database as an earlier release left it, with the rights of the service. */
async function schemaAt(version: number): Promise<TestDatabase> {
  const database = await freshDatabase({ blank: true })
  await installSchema({
    address: database.administrator,
    migrations: migrations.filter((one) => one.version <= version),
    ...(version >= previousSchema ? { serviceRole: database.service.user } : {}),
  })
  return database
}

describe('a role that may not change the schema', () => {
  it('works on the schema of the release before, which stays; its owner brings it up to date', async () => {
    const { service, administrator } = await schemaAt(previousSchema)
    expect(await ensureSchema(service)).toBe(previousSchema)
    const store = await openPostgresStore({ address: service, cluster: 'private' })
    const { client } = await enrol(store)
    await putDeposit(store, client)
    expect(await ensureSchema(administrator)).toBe(migrations.length)
    await putDeposit(store, client)
    expect(await store.countDeposits()).toBe(2)
    await store.close()
  })

  it('is refused on an older one', async () => {
    const { service, administrator } = await schemaAt(previousSchema - 1)
    await withClient(administrator, (client) =>
      client.query(
        `grant usage on schema keytrustee to ${service.user};
         grant select on keytrustee.schema_migrations to ${service.user}`,
      ),
    )
    await expect(ensureSchema(service)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining(`version ${previousSchema - 1}`),
    })
  })
})

describe('the role of the service', () => {
  it('needs no right to create when the schema is there, and is refused when it is not', async () => {
    const installed = await freshDatabase()
    expect(await installSchema({ address: installed.service })).toBe(migrations.length)
    const blank = await freshDatabase({ blank: true })
    await expect(installSchema({ address: blank.service })).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('42501'),
    })
  })

  it('may put and replace, but delete no deposit, and make no table', async () => {
    const { service } = await freshDatabase()
    const store = await openPostgresStore({ address: service, cluster: 'private' })
    const { client } = await enrol(store)
    await putDeposit(store, client)
    await store.close()
    const forbidden = [
      'delete from keytrustee.deposits',
      'delete from keytrustee.revisions',
      'delete from keytrustee.organisations',
      'truncate keytrustee.deposits',
      'create table keytrustee.mine ()',
      'create table public.mine ()',
      'create schema mine',
      `insert into keytrustee.schema_migrations values (2, 'x')`,
      `copy keytrustee.deposits to program 'cat'`,
      `alter system set fsync = off`,
    ]
    await withClient(service, async (connection) => {
      for (const text of forbidden)
        await expect(connection.query(text), text).rejects.toMatchObject({ code: '42501' })
    })
  })
})
