import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBinaries } from '../../../src/cluster/binaries.js'
import { checkSettings, findFaults } from '../../../src/store/postgres/check-settings.js'
import { defaultTimeouts, makePool } from '../../../src/store/postgres/pool.js'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import { makePrivateCluster, type PrivateCluster } from '../../support/private-cluster.js'
import { clusterUser, runAs } from '../../support/unprivileged.js'
import { freshDatabase, withClient } from '../../support/with-postgres.js'

const good = new Map([
  ['fsync', 'on'],
  ['full_page_writes', 'on'],
  ['synchronous_commit', 'on'],
  ['data_checksums', 'on'],
])

describe('findFaults', () => {
  it.each(['fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums'])(
    'names %s when it is off, or cannot be seen',
    (setting) => {
      const hidden = new Map([...good].filter(([name]) => name !== setting))
      for (const settings of [new Map([...good, [setting, 'off']]), hidden])
        expect(findFaults(settings, 'private').map(({ field }) => field)).toEqual([setting])
    },
  )

  it('is content with a good server, and with an external one without checksums', () => {
    expect(findFaults(good, 'private')).toEqual([])
    expect(findFaults(new Map([...good, ['data_checksums', 'off']]), 'external')).toEqual([])
    for (const level of ['local', 'remote_write', 'remote_apply'])
      expect(findFaults(new Map([...good, ['synchronous_commit', level]]), 'external')).toEqual([])
  })
})

describe('synchronous_commit', () => {
  const setFor = async (database: Awaited<ReturnType<typeof freshDatabase>>, value: string) =>
    withClient(database.administrator, (client) =>
      client.query(`alter database ${database.service.database} set synchronous_commit = ${value}`),
    )

  it('is refused when the database turns it off, though our sessions would turn it on', async () => {
    const database = await freshDatabase()
    await setFor(database, 'off')
    const open = openPostgresStore({ address: database.service, cluster: 'external' })
    await expect(open).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringContaining('synchronous_commit must not be off'),
    })
  })

  it('is pinned on each connection: what is changed later does not count', async () => {
    const database = await freshDatabase()
    const levels = { local: 'on', remote_write: 'on', remote_apply: 'remote_apply' }
    for (const [configured, pinned] of Object.entries(levels)) {
      await setFor(database, configured)
      const session = await checkSettings(database.service, defaultTimeouts, 'external')
      await setFor(database, 'off')
      const pool = makePool({
        address: database.service,
        session,
        timeouts: defaultTimeouts,
        maxConnections: 1,
      })
      const { rows } = await pool.query('show synchronous_commit')
      await pool.end()
      expect(rows).toEqual([{ synchronous_commit: pinned }])
    }
  })
})

describe('a private cluster with dangerous settings', () => {
  let cluster: PrivateCluster
  beforeAll(async () => {
    cluster = await makePrivateCluster()
  }, 60_000)
  afterAll(() => cluster.remove(), 30_000)

  const open = () => openPostgresStore({ address: cluster.service, cluster: 'private' })

  it('is refused by name of each setting, and its health says so while it runs', async () => {
    const store = await open()
    const file = join(cluster.data, 'conf.d', '90-operator.conf')
    writeFileSync(file, 'fsync = off\nfull_page_writes = off\n')
    execFileSync('chmod', ['644', file])
    process.kill(cluster.pid(), 'SIGHUP')
    await expect
      .poll(() => store.probe(), { timeout: 5_000 })
      .toEqual({ state: 'unavailable', detail: expect.stringContaining('fsync must not be off') })
    await store.close()
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      faults: [{ field: 'fsync' }, { field: 'full_page_writes' }],
    })
    rmSync(file)
    process.kill(cluster.pid(), 'SIGHUP')
    await expect.poll(async () => (await open()).close(), { timeout: 5_000 }).toBeUndefined()
  }, 20_000)

  it('is refused without data checksums', async () => {
    await cluster.stop()
    const program = join(findBinaries(), 'pg_checksums')
    const { code } = await runAs(clusterUser, [program, '--disable', '-D', cluster.data])
    expect(code).toBe(0)
    await cluster.start()
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      faults: [{ field: 'data_checksums' }],
    })
    const external = await openPostgresStore({ address: cluster.service, cluster: 'external' })
    await external.close()
  }, 30_000)
})
