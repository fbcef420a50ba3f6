import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findBinaries } from '../../src/cluster/binaries.js'
import { makePrivateCluster, type PrivateCluster, valueOf } from '../support/private-cluster.js'
import {
  type ClusterAnswers,
  callCluster,
  clusterUser,
  type Finished,
  makeClusterHome,
  removeDirectory,
  runAs,
  runsAsRoot,
  strangerUser,
} from '../support/unprivileged.js'
import { withClient } from '../support/with-postgres.js'

let cluster: PrivateCluster
beforeAll(async () => {
  cluster = await makePrivateCluster()
}, 60_000)
afterAll(() => cluster.remove(), 30_000)

const call = async <Verb extends keyof ClusterAnswers>(verb: Verb, directory = cluster.directory) =>
  valueOf(await callCluster(verb, { directory }))
const status = () => call('clusterStatus')

/** State and process group. @see proc_pid_stat(5) */
function statOf(pid: number): { readonly state: string; readonly group: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return { state: text[0] ?? '', group: Number(text[2]) }
}

/** A zombie that nobody collected does not run. */
function runs(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && statOf(pid).state !== 'Z'
}

describe('a bootstrapped cluster', () => {
  it('runs in a process group of its own, and says so', async () => {
    const { pid } = await status()
    expect(await status()).toMatchObject({
      state: 'running',
      version: expect.stringMatching(/^\d+$/),
      socketDirectory: join(cluster.directory, 'run'),
      stoppedByOperator: false,
    })
    expect(statOf(pid as number).group).toBe(pid)
  })

  it('has checksums, UTF-8 and no TCP port', async () => {
    const names = ['data_checksums', 'server_encoding', 'listen_addresses', 'fsync', 'port']
    const { rows } = await withClient(cluster.administrator, (client) =>
      client.query<{ name: string; setting: string }>(
        'select name, setting from pg_settings where name = any ($1)',
        [names],
      ),
    )
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      data_checksums: 'on',
      server_encoding: 'UTF8',
      listen_addresses: '',
      fsync: 'on',
      port: '11381',
    })
  })

  it('keeps everything from other users: directories 0700, files 0600', () => {
    const modeOf = (name: string) => statSync(join(cluster.directory, name)).mode & 0o777
    for (const name of ['.', 'data', 'log', 'run']) expect(modeOf(name), name).toBe(0o700)
    const files = [
      'cluster.json',
      'log/startup.log',
      'data/pg_hba.conf',
      'data/conf.d/10-keytrustee.conf',
    ]
    for (const name of files) expect(modeOf(name), name).toBe(0o600)
    expect(modeOf('run/.s.PGSQL.11381') & 0o077).toBe(0)
  })

  it('lets in by peer only, and the service as no superuser', async () => {
    const lines = readFileSync(join(cluster.data, 'pg_hba.conf'), 'utf8').trim().split('\n')
    expect(lines).toEqual(['local all all peer map=keytrustee'])
    const { rows } = await withClient(cluster.service, (client) =>
      client.query(
        'select rolsuper, rolcreaterole, rolcreatedb from pg_roles where rolname = user',
      ),
    )
    expect(rows).toEqual([{ rolsuper: false, rolcreaterole: false, rolcreatedb: false }])
  })

  it('is started, not made, by a second bootstrap; two at once agree', async () => {
    const { pid } = await status()
    const again = await Promise.all([call('bootstrapCluster'), call('startCluster')])
    for (const started of again) expect(started).toMatchObject({ pid, adopted: true })
  })

  it('logs no rows: neither statements nor the details of an error', async () => {
    await withClient(cluster.administrator, async (client) => {
      await client.query('create table public.noted (a text primary key)')
      const insert = () => client.query('insert into public.noted values ($1)', ['marked-value'])
      await insert()
      await expect(insert()).rejects.toMatchObject({ code: '23505' })
    })
    const log = join(cluster.directory, 'log')
    const read = () =>
      readdirSync(log)
        .map((name) => readFileSync(join(log, name), 'utf8'))
        .join('')
    // The server's log comes through a collector process.
    await vi.waitFor(() => expect(read()).toContain('duplicate key'), 5_000)
    expect(read()).not.toContain('marked-value')
  })
})

describe('stopping and starting', () => {
  it('stops by pid, stays stopped on purpose, and starts again', async () => {
    const { pid } = await status()
    expect(await call('stopCluster')).toBe('stopped')
    // Its pid file goes a moment before the process.
    await expect.poll(() => runs(pid as number), { timeout: 5_000 }).toBe(false)
    expect(await status()).toMatchObject({ state: 'stopped', stoppedByOperator: true })
    expect(await call('stopCluster')).toBe('not-running')
    const started = await call('startCluster')
    expect(started.adopted).toBe(false)
    expect(await status()).toMatchObject({ state: 'running', stoppedByOperator: false })
  }, 20_000)

  it('starts after kill -9 of the postmaster, whoever has its pid now', async () => {
    await killPostmaster()
    await call('startCluster')
    await killPostmaster()
    // The pid file of a crash before a reboot: its pid is another program's, here our own.
    const file = join(cluster.data, 'postmaster.pid')
    const lines = readFileSync(file, 'utf8').split('\n')
    writeFileSync(file, [String(process.pid), ...lines.slice(1)].join('\n'))
    expect(await status()).toMatchObject({ state: 'stopped' })
    expect(await call('stopCluster')).toBe('not-running')
    const started = await call('startCluster')
    expect(started.adopted).toBe(false)
    expect(started.pid).not.toBe(process.pid)
  }, 30_000)

  it('lets several start it at once', async () => {
    await call('stopCluster')
    const started = await Promise.all([1, 2, 3].map(() => call('startCluster')))
    expect(new Set(started.map(({ pid }) => pid)).size).toBe(1)
  }, 30_000)

  it('gives way to a server that has made its pid file and not yet written its pid', async () => {
    await call('stopCluster')
    const binaries = makeLateWinner()
    const reply = await callCluster('startCluster', { directory: cluster.directory, binaries })
    removeDirectory(binaries)
    expect(valueOf(reply).pid).toBe(cluster.pid())
    expect(await status()).toMatchObject({ state: 'running' })
  }, 20_000)

  it('says what is missing when PostgreSQL is not installed any more', async () => {
    await call('stopCluster')
    const reply = await callCluster('startCluster', {
      directory: cluster.directory,
      binaries: '/nonexistent',
    })
    expect(reply).toMatchObject({ error: { code: 'ERR_SETTINGS' } })
    await call('startCluster')
  }, 20_000)

  it('is left as it is by an older program than its schema: refused, and nothing stays running', async () => {
    const versions = (sql: string) =>
      withClient(cluster.administrator, (client) => client.query(sql))
    await versions(`insert into keytrustee.schema_migrations (version, name) values (9999, 'x')`)
    const { directory } = cluster
    const adopted = await callCluster('startCluster', { directory })
    expect(adopted).toMatchObject({ error: { code: 'ERR_SETTINGS' } })
    expect((await status()).state).toBe('running')
    await cluster.stop()
    expect(await callCluster('startCluster', { directory })).toMatchObject({
      error: { code: 'ERR_SETTINGS', message: expect.stringContaining('version 9999') },
    })
    expect((await status()).state).toBe('stopped')
    valueOf(await callCluster('startCluster', { directory, schema: 'as it is' }))
    await versions('delete from keytrustee.schema_migrations where version = 9999')
  })

  it('says so in time when it cannot start', async () => {
    await call('stopCluster')
    const file = join(cluster.data, 'conf.d', '99-broken.conf')
    writeFileSync(file, "shared_buffers = 'nonsense'\n", { mode: 0o644 })
    const reply = await callCluster('startCluster', { directory: cluster.directory })
    removeDirectory(file)
    expect(reply).toMatchObject({
      error: {
        code: 'ERR_STORE_UNAVAILABLE',
        message: 'the private database did not start',
        hints: [
          expect.stringMatching(/^PostgreSQL said: FATAL: .*contains errors$/),
          `see the files in ${cluster.directory}/log`,
        ],
      },
    })
    await call('startCluster')
  }, 20_000)
})

/**
 * Programs whose `postgres` ends at once, as one does that finds another's pid file, while the other (its name and
 * working directory are a server's) takes half a second from making the file to the server's own start.
 */
function makeLateWinner(): string {
  const directory = makeClusterHome('kt-late-')
  const real = join(findBinaries(), 'postgres')
  const script = `#!/bin/sh
cd "$2" || exit 2
: > postmaster.pid
(sleep 0.5; rm postmaster.pid; exec '${real}' -D "$2") &
exit 1
`
  for (const name of ['initdb', 'postgres'])
    writeFileSync(join(directory, name), script, { mode: 0o755 })
  return directory
}

/** It may stay as a zombie when nobody collects it, which must not matter. */
async function killPostmaster(): Promise<void> {
  process.kill(cluster.pid(), 'SIGKILL')
  await expect.poll(status, { timeout: 5_000 }).toMatchObject({ state: 'stopped' })
}

describe('bootstrapCluster', () => {
  const homes: string[] = []
  const makeHome = () => {
    const home = makeClusterHome()
    homes.push(home)
    return home
  }
  afterAll(() => homes.forEach(removeDirectory))

  it('refuses a directory with something else in it', async () => {
    const home = makeHome()
    mkdirSync(join(home, 'precious'))
    const reply = await callCluster('bootstrapCluster', { directory: home })
    expect(reply).toMatchObject({
      error: { code: 'ERR_SETTINGS', message: expect.stringContaining('not empty') },
    })
    expect(readdirSync(home)).toEqual(['precious'])
  })

  it('refuses a directory marked by something else', async () => {
    const home = makeHome()
    writeFileSync(join(home, 'cluster.json'), '{"format":1,"madeBy":"somebody"}')
    expect(await callCluster('bootstrapCluster', { directory: home })).toMatchObject({
      error: { code: 'ERR_SETTINGS', message: expect.stringContaining('not of a cluster') },
    })
  })

  it('names the directory that it may not use', async () => {
    const reply = await callCluster('bootstrapCluster', { directory: '/proc/here' })
    expect(reply).toMatchObject({
      error: { code: 'ERR_SETTINGS', message: expect.stringMatching('/proc/here cannot be used') },
    })
  })

  it('starts over after a crash within initdb, and removes only what was left', async () => {
    const home = makeHome()
    const directory = join(home, 'db')
    // Killed in the middle of initdb: the marker and an unfinished directory are there, `data` is not.
    const script = `import(${JSON.stringify(new URL('../../dist/cluster/index.js', import.meta.url).href)})
      .then(({ bootstrapCluster }) => bootstrapCluster({ directory: ${JSON.stringify(directory)} }));
      setInterval(() => {
        const fs = require('node:fs');
        const names = fs.existsSync(${JSON.stringify(directory)}) ? fs.readdirSync(${JSON.stringify(directory)}) : [];
        if (names.some((name) => name.startsWith('unfinished-'))) process.kill(process.pid, 'SIGKILL');
      }, 5);`
    await runAs(clusterUser, [process.execPath, '-e', script])
    const left = readdirSync(directory).filter((name) => name.startsWith('unfinished-'))
    expect(left).toHaveLength(1)
    expect(readdirSync(directory)).not.toContain('data')
    const stateOf = async () => (await call('clusterStatus', directory)).state
    expect(await stateOf()).toBe('absent')
    await expect(call('startCluster', directory)).rejects.toThrow('ERR_SETTINGS')
    await call('bootstrapCluster', directory)
    expect(await stateOf()).toBe('running')
    expect(readdirSync(directory).filter((name) => name.startsWith('unfinished-'))).toEqual([])
    await call('stopCluster', directory)
  }, 60_000)

  it('puts the socket of a long home into a short private directory, and finds it again', async () => {
    const home = makeHome()
    const directory = join(home, 'long-'.repeat(20), 'db')
    await runAs(clusterUser, ['mkdir', '-p', join(directory, '..')])
    await call('bootstrapCluster', directory)
    const socket = async () => (await call('clusterStatus', directory)).socketDirectory
    const first = (await socket()) as string
    expect(first).toMatch(/^\/tmp\/ktdb-/)
    expect(statSync(first).mode & 0o777).toBe(0o700)
    await call('stopCluster', directory)
    await call('startCluster', directory)
    expect(await socket()).toBe(first)
    await call('stopCluster', directory)
    removeDirectory(first)
    await call('startCluster', directory)
    const second = (await socket()) as string
    expect(second).toMatch(/^\/tmp\/ktdb-/)
    await call('stopCluster', directory)
    removeDirectory(second)
  }, 60_000)

  it.runIf(runsAsRoot)('refuses root, as every verb does (needs root)', async () => {
    const root = { name: 'root', uid: 0, gid: 0 }
    const directory = join(makeHome(), 'db')
    for (const verb of ['bootstrapCluster', 'startCluster', 'stopCluster'] as const)
      expect(await callCluster(verb, { directory }, root)).toMatchObject({
        error: { code: 'ERR_SETTINGS', message: expect.stringContaining('as root') },
      })
  })
})

describe.runIf(runsAsRoot)('another local user (needs root, to become one)', () => {
  const connectAs = (user: ReturnType<typeof strangerUser>, role: string): Promise<Finished> => {
    const { host, port, database } = cluster.service
    const psql = [
      'psql',
      '-w',
      '-h',
      host,
      '-p',
      String(port),
      '-U',
      role,
      '-c',
      'select 1',
      database,
    ]
    return runAs(user, psql as [string, ...string[]])
  }

  it('does not get to the socket: the directory is closed', async () => {
    const { code, stderr } = await connectAs(strangerUser(), cluster.service.user)
    expect(code).not.toBe(0)
    expect(stderr).toContain('Permission denied')
  })

  it('is refused by peer even where the directories and the socket are open to all', async () => {
    const opened = [cluster.home, cluster.directory, join(cluster.directory, 'run')]
    const socket = join(cluster.directory, 'run', '.s.PGSQL.11381')
    await runAs(clusterUser, ['chmod', '755', ...opened])
    await runAs(clusterUser, ['chmod', '777', socket])
    const roles = [cluster.service.user, cluster.administrator.user]
    for (const role of roles) {
      const { code, stderr } = await connectAs(strangerUser(), role)
      expect(code).not.toBe(0)
      expect(stderr).toContain('Peer authentication failed')
    }
    await runAs(clusterUser, ['chmod', '700', ...opened, socket])
  })

  it('is the owner who gets in: the same call works for it', async () => {
    if (!clusterUser) throw new Error('needs root')
    expect((await connectAs(clusterUser, cluster.service.user)).code).toBe(0)
  })
})
