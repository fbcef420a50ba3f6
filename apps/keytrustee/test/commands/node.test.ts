/** A further server of an installation: token, join, and what is never handed out. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { statusRoute } from '@keyhsm/protocol'
import { openLog } from '@keyhsm/service'
import { expect, onTestFinished, test } from 'vitest'
import { invokingUser } from '../../src/administrators.js'
import { pathsIn } from '../../src/paths.js'
import { ktadmin } from '../../src/programs.js'
import { openDatabase } from '../../src/service/database.js'
import { readSettings } from '../../src/settings.js'
import { runCommand } from '../support/run-command.js'
import {
  addTestOrganisation,
  connectClient,
  enrolTestClient,
  type RunningServer,
  startIn,
  startTestServer,
} from '../support/running-server.js'
import { freshDatabase } from '../support/with-postgres.js'

async function running(external = true) {
  const { administrator } = await freshDatabase()
  const { host, port, database, user } = administrator
  const url = `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  const lines = external ? [`keytrustee.database.url=${url}`] : []
  const at = await startTestServer({
    settings: ['keytrustee.sealing=pass-through', 'keytrustee.undelete.window=7d', ...lines],
  })
  const admin = (...argv: string[]) => runCommand(ktadmin, dirname(at.paths.root), argv)
  return { at, admin }
}

async function freshHome() {
  const root = await mkdtemp(join(tmpdir(), 'kt-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const paths = pathsIn(join(root, 'keytrustee'))
  return { root, paths, run: (...argv: string[]) => runCommand(ktadmin, root, argv) }
}

async function writeToken(root: string, stdout: string): Promise<string> {
  const file = join(root, 'token')
  await writeFile(file, stdout, { mode: 0o600 })
  return file
}

test('one command makes a further server: shared secrets, an identity of its own, once a token', async () => {
  const { at, admin } = await running()
  const renewed = await admin('cert', 'renew', '--authority', '--as', invokingUser)
  expect(renewed).toMatchObject({ exit: 0 })
  const previous = await readdir(at.paths.previousAuthorities)
  expect(previous).toHaveLength(1)
  const made = await admin('join-token', '--valid', '10m', '--as', invokingUser)
  expect([made.exit, made.stdout]).toEqual([0, expect.stringMatching(/^ktjoin1\.\S+\n$/)])
  const other = await freshHome()
  const file = await writeToken(other.root, made.stdout)
  const joining = ['join', '--server', at.url, '--token-file', file]
  const place = ['--external-address', 'node2', '--address', '127.0.0.1', '--port', '0']
  expect(await other.run(...joining, ...place)).toMatchObject({ exit: 0 })

  const same = async (name: string) =>
    (await readFile(join(at.paths.root, name), 'utf8')) ===
    (await readFile(join(other.paths.root, name), 'utf8'))
  const shared = ['grant.key', '.ca/client-ca.pem', '.ca/client-ca-pk.pem']
  for (const name of [...shared, `.ca/previous/${previous[0]}`]) expect(await same(name)).toBe(true)
  for (const own of ['.ssl/ssl-cert-keytrustee.pem', 'audit.key'])
    expect(await same(own)).toBe(false)
  expect((await stat(other.paths.grantKey)).mode & 0o777).toBe(0o600)
  const settings = await readSettings(other.paths)
  expect(settings).toMatchObject({ undeleteMs: 7 * 86_400_000, externalAddresses: ['node2'] })
  expect(settings.databaseUrl).toContain('postgresql://')

  const again = await freshHome()
  expect(await again.run(...joining)).toMatchObject({ exit: 77 })
  expect(await other.run(...joining)).toMatchObject({ exit: 1 })
  const audit = await readFile(join(at.paths.audit, 'audit.log'), 'utf8')
  expect(audit).toMatch(/"operation":"admit-node".*"outcome":"done"/)
  expect(audit).toMatch(/"operation":"admit-node".*"outcome":"refused"/)
})

test('two servers on one database: both serve, status shows both, grants of one are believed by the other', async () => {
  const { at, admin } = await running()
  const made = await admin('join-token')
  const other = await freshHome()
  const file = await writeToken(other.root, made.stdout)
  await other.run(
    'join',
    '--server',
    at.url,
    '--token-file',
    file,
    '--address',
    '127.0.0.1',
    '--port',
    '0',
  )
  await at.server.stop(1_000)
  const log = openLog({ name: 'test', file: join(other.root, 'test.log') })
  const open = async (paths: typeof other.paths) => {
    const database = await openDatabase(paths, await readSettings(paths), log)
    onTestFinished(() => database.close())
    return database.store
  }
  const first = await startIn(at.paths, { store: await open(at.paths) })
  const second = await startIn(other.paths, { store: await open(other.paths) })
  await addTestOrganisation(first, 'SHARED')
  expect((await other.run('org', 'list')).stdout).toContain('SHARED')
  // Who writes is looked at once a second.
  const selves = async () => {
    const { installation } = await second.admin(statusRoute)
    return installation?.nodes.map(({ self }) => self).sort()
  }
  await expect.poll(selves, { timeout: 10_000, interval: 200 }).toEqual([false, true])
  const { installation, healthy } = await second.admin(statusRoute)
  // Two servers, one copy: that no deposit is lost is not promised.
  expect(installation).toMatchObject({ mode: 'writer', noLoss: false, timeline: 1 })
  expect(healthy).toBe(false)
  expect(second.url).not.toBe(first.url)
  // Looked at every five seconds.
  const keyHsmOfFirst = async () =>
    (await second.admin(statusRoute)).installation?.nodes.find(({ self }) => !self)?.keyHsm
  await expect
    .poll(keyHsmOfFirst, { timeout: 15_000, interval: 500 })
    .toEqual({ healthy: true, detail: 'not joined, deposits pass through unsealed' })

  // A new authority reaches the other server by itself, and no client meets one that does not know it.
  const shared = await addTestOrganisation(first, 'ROLLED')
  const enrol = (clientName: string) =>
    enrolTestClient(first, { organisation: 'ROLLED', auth: shared.auth, clientName })
  const { pair } = await enrol('before')
  const at2 = connectClient(second, pair)
  const rolling = new AbortController()
  const results: string[] = []
  const load = (async () => {
    while (!rolling.signal.aborted) {
      const { pair: fresh } = await enrol(`c${results.length}`)
      results.push(
        await connectClient(second, fresh)
          .self()
          .then(() => 'ok', String),
      )
    }
  })()
  const renewed = await admin('cert', 'renew', '--authority', '--json')
  expect(renewed).toMatchObject({ exit: 0 })
  rolling.abort()
  await load
  expect([...new Set(results)]).toEqual(['ok'])
  const { fingerprint } = JSON.parse(renewed.stdout) as { fingerprint: string }
  const signs = async (one: RunningServer) =>
    (await one.admin(statusRoute)).certificates.find(({ role }) => role === 'client-authority')
  expect(await signs(first)).toMatchObject({ fingerprint })
  await expect.poll(() => signs(second), { timeout: 10_000 }).toMatchObject({ fingerprint })
  expect((await at2.self()).clientName).toBe('before')
  const { certificates } = await second.admin(statusRoute)
  const old = certificates.find(({ role }) => role === 'previous-client-authority')
  expect(await other.run('cert', 'forget', old?.fingerprint ?? '')).toMatchObject({ exit: 0 })
  const refused = () =>
    connectClient(first, pair)
      .self()
      .then(
        () => 'ok',
        ({ code }) => code as string,
      )
  await expect.poll(refused, { timeout: 10_000 }).toBe('ERR_NOT_AUTHENTICATED')
  await expect(readdir(join(at.paths.root, '.ca', 'waiting'))).rejects.toMatchObject({
    code: 'ENOENT',
  })
})

test('refuses: a private database, another server than the token’s, a token that is none', async () => {
  const { at, admin } = await running(false)
  const made = await admin('join-token')
  const other = await freshHome()
  const file = await writeToken(other.root, made.stdout)
  const joining = ['join', '--server', at.url, '--token-file']
  expect(await other.run(...joining, file)).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('private cluster') as string,
  })
  const elsewhere = await startTestServer()
  expect(await other.run('join', '--server', elsewhere.url, '--token-file', file)).toMatchObject({
    exit: 2,
    stderr: expect.stringContaining('nothing was sent') as string,
  })
  await writeFile(file, 'something')
  expect((await other.run(...joining, file)).exit).toBe(2)
  expect((await admin('join-token', '--valid', '8d')).exit).toBe(2)
})
