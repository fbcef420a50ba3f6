/** Backups of a real database: written, read, loaded into another; damaged in every way that a disk or a thief has. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findRecipient, makeAgeIdentity } from '@keyhsm/client'
import { systemClock } from '@keyhsm/core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { loadBackup } from '../../src/backup/load-backup.js'
import { readBackup } from '../../src/backup/read-backup.js'
import { rollBackups } from '../../src/backup/roll-backups.js'
import { backupName, writeBackup } from '../../src/backup/write-backup.js'
import { inLoadingOrder } from '../../src/store/postgres/dump-database.js'
import { migrations } from '../../src/store/postgres/migrations/index.js'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.js'
import { addCaller, makeSurroundings, putRequest } from '../support/surroundings.js'
import { freshDatabase, type TestDatabase, withClient } from '../support/with-postgres.js'
import { putDeposit } from '../../src/deposits/put-deposit.js'

const key = { identity: '' }
let recipient = ''
let source: TestDatabase
const secretFile = Buffer.from('the grant key stands for every secret file')

beforeAll(async () => {
  key.identity = await makeAgeIdentity()
  recipient = (await findRecipient(key.identity)) ?? ''
  source = await freshDatabase()
}, 60_000)

async function fillSource() {
  const store = await openPostgresStore({ address: source.service, cluster: 'private' })
  onTestFinished(() => store.close())
  const surroundings = await makeSurroundings({ store })
  const caller = await addCaller(surroundings)
  for (const handle of ['one', 'two'])
    await putDeposit(surroundings.trustee, caller, putRequest(handle, `content of ${handle}`))
  return { ...surroundings, caller }
}

async function write(o: { readonly signal?: AbortSignal; readonly madeAt?: Date } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'kt-backup-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const manifest = {
    madeAt: o.madeAt ?? systemClock.now(),
    version: '0.1.0',
    folder: '/nowhere',
    serverFingerprint: 'a'.repeat(64),
    auditHead: { sequence: 7, hash: 'b'.repeat(64) },
    join: undefined,
  }
  const files = [{ name: 'grant.key', mode: 0o600, content: secretFile }]
  const signal = o.signal ?? new AbortController().signal
  const order = { address: source.service, files, manifest, recipients: [recipient], directory }
  return { directory, written: await writeBackup({ ...order, signal }) }
}

describe('a backup', () => {
  it('holds every row and file, reads the same, and nothing of it in clear', async () => {
    const { caller } = await fillSource()
    const { written, directory } = await write()
    expect((await stat(written.file)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual([backupName(written.manifest.madeAt)])
    const bytes = await readFile(written.file)
    for (const clear of [secretFile, Buffer.from(caller.organisation.name)])
      expect(bytes.includes(clear)).toBe(false)
    const files: string[] = []
    const read = await readBackup(written.file, key, {
      async file({ name, content }) {
        files.push(name)
        expect(content).toEqual(secretFile)
      },
    })
    expect(files).toEqual(['grant.key'])
    expect(read).toEqual({ manifest: written.manifest, totals: written.totals })
    expect(read.totals.scopes).toContainEqual({
      organisation: caller.organisation.name,
      scope: 'deposit',
      revisions: 2,
      hsmKeys: 2,
    })
  })

  it('loads into an empty database, of an older schema too, row for row', async () => {
    await fillSource()
    const { written } = await write()
    const target = await freshDatabase({ blank: true })
    const order = {
      file: written.file,
      key,
      address: target.administrator,
      serviceRole: target.service.user,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    }
    await loadBackup(order)
    for (const { name, rows } of written.totals.tables)
      expect([name, await fingerprintOf(target, name)]).toEqual([
        name,
        { rows, hash: (await fingerprintOf(source, name)).hash },
      ])
    await expect(loadBackup(order)).rejects.toMatchObject({ code: 'ERR_ALREADY_EXISTS' })
    const store = await openPostgresStore({ address: target.service, cluster: 'private' })
    onTestFinished(() => store.close())
    expect((await store.probe()).state).toBe('ready')
  })

  it.each([
    ['a changed byte', (bytes: Buffer) => flip(bytes, bytes.length - 40)],
    ['a changed header', (bytes: Buffer) => flip(bytes, 400)],
    ['a cut', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20)],
  ])('with %s is refused, and a database stays empty', async (_, change) => {
    await fillSource()
    const { written } = await write()
    await writeFile(written.file, change(await readFile(written.file)))
    await expect(readBackup(written.file, key)).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_(INTEGRITY|NOT_ALLOWED|INVALID_INPUT)/) as string,
    })
    const target = await freshDatabase({ blank: true })
    const signal = new AbortController().signal
    const order = { file: written.file, key, address: target.administrator, signal }
    await expect(loadBackup({ ...order, onProgress: () => undefined })).rejects.toThrow()
    expect(await countOrganisations(target)).toBe(0)
  })

  it('that was interrupted, or has nobody to read it, leaves no file', async () => {
    const controller = new AbortController()
    controller.abort()
    await expect(write({ signal: controller.signal })).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: 'interrupted: nothing is left behind',
    })
  })

  it('keeps the newest of a folder and removes no file that is none of ours', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'kt-roll-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const names = ['20260101', '20260103', '20260102'].map(
      (day) => `keytrustee-${day}T000000Z.ktbackup`,
    )
    for (const name of [...names, 'keytrustee-mine.ktbackup', 'a.txt'])
      await writeFile(join(directory, name), '')
    expect(await rollBackups(directory, 2)).toEqual([names[0]])
    expect((await readdir(directory)).sort()).toEqual(
      [names[1], names[2], 'keytrustee-mine.ktbackup', 'a.txt'].sort(),
    )
  })
})

describe('the order of loading', () => {
  it('puts a table behind those it refers to', () => {
    const tables = ['a', 'b', 'c'].map((name) => ({ name }))
    const references = [
      { from: 'a', to: 'c' },
      { from: 'c', to: 'b' },
    ]
    expect(inLoadingOrder(tables, references).map(({ name }) => name)).toEqual(['b', 'c', 'a'])
  })

  it('covers every table that the migrations make', async () => {
    expect(migrations.length).toBeGreaterThan(0)
    const { written } = await write()
    const tables = await withClient(source.administrator, (client) =>
      client.query<{ name: string }>(
        `select table_name as name from information_schema.tables where table_schema = 'keytrustee'`,
      ),
    )
    // What tells of this database and its servers, not of what is stored.
    const leftOut = [
      'schema_migrations',
      'pending_puts',
      'nodes',
      'timelines',
      'client_authorities',
      'client_authorities_taken',
    ]
    const expected = tables.rows.map(({ name }) => name).filter((name) => !leftOut.includes(name))
    expect(written.totals.tables.map(({ name }) => name).sort()).toEqual(expected.sort())
  })
})

function flip(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8((changed[at] ?? 0) ^ 1, at)
  return changed
}

async function fingerprintOf({ administrator }: TestDatabase, table: string) {
  return withClient(administrator, async (client) => {
    const { rows } = await client.query<{ rows: number; hash: string }>(
      `select count(*)::int as rows, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as hash
        from keytrustee.${table} t`,
    )
    return rows[0] ?? { rows: -1, hash: '' }
  })
}

async function countOrganisations({ administrator }: TestDatabase): Promise<number> {
  return withClient(administrator, async (client) => {
    const found = await client.query(`select to_regclass('keytrustee.organisations')::text as it`)
    if ((found.rows[0] as { it: string | null }).it === null) return 0
    return (await client.query('select from keytrustee.organisations')).rowCount ?? -1
  })
}
