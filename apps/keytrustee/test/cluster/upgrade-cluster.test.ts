/**
 * pg_upgrade for real. A machine of the tests has one major version; the same programs stand in for a newer one under its name,
 * which pg_upgrade allows. What differs between two real versions is not tried here.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBinaries } from '../../src/cluster/binaries.js'
import { makePrivateCluster, type PrivateCluster, valueOf } from '../support/private-cluster.js'
import { callCluster, clusterUser, runAs } from '../support/unprivileged.js'

const binaries = findBinaries()
const present = /(\d+)/.exec(binaries)?.[1] ?? ''
const next = String(Number(present) + 1)

let cluster: PrivateCluster
let versions: string
beforeAll(async () => {
  cluster = await makePrivateCluster()
  versions = join(cluster.home, 'versions')
  mkdirSync(versions, { mode: 0o755 })
  symlinkSync(dirname(binaries), join(versions, present))
}, 60_000)
afterAll(() => cluster.remove(), 30_000)

const options = () => ({ directory: cluster.directory, versions })
const upgrade = () => callCluster('upgradeCluster', options())
const restart = async () => valueOf(await callCluster('startCluster', options()))

/** As the owner: an upgraded cluster lets in nobody else. */
async function ask(sql: string): Promise<string> {
  const place = ['-h', cluster.administrator.host, '-p', String(cluster.administrator.port)]
  const role = ['-U', cluster.administrator.user, cluster.administrator.database]
  const { stdout, stderr } = await runAs(clusterUser, [
    'psql',
    '-XAt',
    ...place,
    ...role,
    '-c',
    sql,
  ])
  return stdout.trim() || stderr
}

describe('db upgrade', () => {
  it('is refused while no newer version is installed, and names what to install', async () => {
    for (const to of [{}, { to: '99' }])
      expect(await callCluster('planUpgrade', { ...options(), ...to })).toMatchObject({
        error: {
          code: 'ERR_SETTINGS',
          hints: [`installed: ${present}`, expect.stringContaining(`keep postgresql-${present}`)],
        },
      })
  })

  it('is refused for lack of room, with what it needs, and changes nothing', async () => {
    const programs = join(versions, next, 'bin')
    mkdirSync(programs, { recursive: true, mode: 0o755 })
    for (const program of ['initdb', 'postgres', 'pg_upgrade'])
      symlinkSync(join(binaries, program), join(programs, program))
    // Sparse: a database as large as all that is free, on any disk.
    const { bavail, bsize } = statfsSync(cluster.data)
    const large = join(cluster.data, 'sparse')
    writeFileSync(large, '')
    truncateSync(large, bavail * bsize)
    for (const call of ['planUpgrade', 'upgradeCluster'] as const)
      expect(await callCluster(call, options())).toMatchObject({
        error: {
          code: 'ERR_SETTINGS',
          message: expect.stringMatching(
            /^the upgrade needs \d+ MiB of disk, \d+ MiB are free$/,
          ) as string,
        },
      })
    rmSync(large)
    rmSync(join(versions, next), { recursive: true })
    expect(existsSync(join(cluster.directory, `data.postgresql-${present}`))).toBe(false)
    expect(await ask('select count(*) from keytrustee.organisations')).toBe('0')
  })

  it('that fails leaves the database as it was', async () => {
    const broken = join(versions, next, 'bin')
    mkdirSync(broken, { recursive: true, mode: 0o755 })
    for (const program of ['initdb', 'postgres'])
      symlinkSync(join(binaries, program), join(broken, program))
    expect(await upgrade()).toMatchObject({
      error: { message: expect.stringContaining('no pg_upgrade') },
    })
    writeFileSync(join(broken, 'pg_upgrade'), '#!/bin/sh\necho a fatal word >&2\nexit 1\n')
    chmodSync(join(broken, 'pg_upgrade'), 0o755)
    expect(await upgrade()).toMatchObject({
      error: { code: 'ERR_SETTINGS', message: 'pg_upgrade failed: a fatal word' },
    })
    await restart()
    expect(await ask('select count(*) from keytrustee.organisations')).toBe('0')
    expect(existsSync(join(cluster.directory, `data.postgresql-${present}`))).toBe(false)
    renameSync(join(versions, next), join(versions, 'broken'))
  })

  it('keeps every row, the settings of the operator, and the former data', async () => {
    symlinkSync(dirname(binaries), join(versions, next))
    await ask('create table public.kept (word text)')
    await ask(`insert into public.kept values ('kept')`)
    const site = join(cluster.data, 'conf.d', '50-site.conf')
    writeFileSync(site, `log_min_duration_statement = '4s'\n`)
    const plan = valueOf(await callCluster('planUpgrade', options()))
    expect(plan).toMatchObject({ from: present, to: next })
    expect(plan.steps).toHaveLength(6)
    expect(await ask('select word from public.kept')).toBe('kept')

    const left = join(cluster.directory, 'unfinished-999999999-x')
    mkdirSync(left)
    expect(valueOf(await upgrade()).former).toBe(plan.former)
    expect(existsSync(left)).toBe(false)
    expect(valueOf(await callCluster('clusterStatus', options())).state).toBe('stopped')
    await restart()
    expect(await ask('select word from public.kept')).toBe('kept')
    expect(await ask('show log_min_duration_statement')).toBe('4s')
    expect(await ask('show data_checksums')).toBe('on')
    expect(await ask('show listen_addresses')).toBe('')
    expect(existsSync(plan.former)).toBe(true)
    expect(await upgrade()).toMatchObject({ error: { code: 'ERR_ALREADY_EXISTS' } })
  }, 120_000)

  it('cut off between its two renames, has not happened', async () => {
    valueOf(await callCluster('stopCluster', options()))
    renameSync(cluster.data, join(cluster.directory, 'unfinished-0-x'))
    await restart()
    expect(await ask('select word from public.kept')).toBe('kept')
    expect(existsSync(cluster.data)).toBe(true)
  }, 60_000)
})
