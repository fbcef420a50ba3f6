/** `ktadmin db` with an external database; the private one is tested with the server's life. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@keyhsm/service'
import { expect, onTestFinished, test } from 'vitest'
import { pathsIn } from '../../src/paths.js'
import { ktadmin } from '../../src/programs.js'
import { openDatabase } from '../../src/service/database.js'
import { readSettings } from '../../src/settings.js'
import type { PostgresAddress } from '../../src/store/postgres/address.js'
import { installSchema } from '../../src/store/postgres/install-schema.js'
import { migrations, previousSchema } from '../../src/store/postgres/migrations/index.js'
import { runCommand } from '../support/run-command.js'
import { freshDatabase } from '../support/with-postgres.js'

async function makeHome() {
  const root = await mkdtemp(join(tmpdir(), 'kt-db-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await runCommand(ktadmin, root, ['init', '--port', '0'])
  const paths = pathsIn(join(root, 'keytrustee'))
  return { root, paths, db: (...argv: string[]) => runCommand(ktadmin, root, ['db', ...argv]) }
}

test('an external database: tried, its schema installed, then written into the settings', async () => {
  const { paths, db } = await makeHome()
  const { administrator } = await freshDatabase({ blank: true })
  const { host, port, database, user } = administrator
  const url = `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  const before = await readFile(paths.settings, 'utf8')
  const absent = await db('bootstrap', '--url', url.replace(`/${database}`, '/absent'))
  expect(absent.exit).not.toBe(0)
  expect(await readFile(paths.settings, 'utf8')).toBe(before)

  const made = await db('bootstrap', '--url', url)
  expect([made.exit, made.stdout]).toEqual([0, expect.stringMatching(/state: +ready/)])
  const settings = await readSettings(paths)
  expect(settings.databaseUrl).toBe(url)
  const log = openLog({ name: 'test', file: join(paths.root, 'log', 'test.log') })
  const opened = await openDatabase(paths, settings, log)
  expect(await opened.store.countDeposits()).toBe(0)
  await opened.close()

  // It is somebody else's to start and stop.
  for (const verb of ['bootstrap', 'start', 'stop', 'status'])
    expect(await db(verb)).toMatchObject({
      exit: 78,
      stderr: expect.stringContaining('external database') as string,
    })
})

test('db migrate: the plan changes nothing, the migration does, and the role of the service gets its rights', async () => {
  const { paths, db } = await makeHome()
  const { administrator, service } = await freshDatabase({ blank: true })
  await installSchema({ address: administrator, migrations: migrations.slice(0, previousSchema) })
  const urlOf = ({ host, port, database, user }: PostgresAddress) =>
    `postgresql://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`
  const dryRun = () => db('migrate', '--dry-run', '--url', urlOf(administrator), '--json')
  const plan = await dryRun()
  expect(JSON.parse(plan.stdout)).toMatchObject({ installed: previousSchema, done: false })
  expect((await dryRun()).stdout).toBe(plan.stdout)
  // Nothing of these is read or written; what a rewrite takes is assumed, and said to be.
  const words = async (address: PostgresAddress) =>
    (await db('migrate', '--dry-run', '--url', urlOf(address))).stdout
  expect(await words(administrator)).not.toContain('assumed')
  const { administrator: older } = await freshDatabase({ blank: true })
  await installSchema({ address: older, migrations: migrations.slice(0, 5) })
  expect(await words(older)).toMatch(/^times are estimated.* 15 MB\/s written are assumed/m)

  const role = ['--service-role', service.user]
  const done = await db('migrate', '--url', urlOf(administrator), ...role)
  expect([done.exit, done.stdout]).toEqual([
    0,
    expect.stringContaining(`at version ${migrations.length} (before: ${previousSchema})`),
  ])
  expect(done.stdout).toMatch(/^ +schema_migrations .*: reads and writes wait, no row is read$/m)
  // From here on as the service, by the settings.
  expect((await db('bootstrap', '--url', urlOf(service))).exit).toBe(0)
  expect((await readSettings(paths)).databaseUrl).toContain(service.user)
  expect((await db('migrate')).stdout).toContain('nothing is missing')
})

test.each([
  [['bootstrap', '--url', 'postgresql://u:secret@localhost/x'], 2, '--password-file'],
  [['bootstrap', '--url', 'mysql://u@localhost/x'], 78, 'postgresql://'],
  [['bootstrap', '--url', 'postgresql://u@db.example.com/x?sslmode=disable'], 78, 'verify-full'],
  [
    ['bootstrap', '--url', 'postgresql://u@localhost/x', '--password-file', '/nonexistent'],
    78,
    'nonexistent',
  ],
  [
    ['migrate', '--url', 'postgresql://u@localhost/x', '--password-file', '/nonexistent'],
    78,
    'nonexistent',
  ],
  [['migrate', '--url', 'postgresql://u@localhost/x', '--ca-file', '/absent.pem'], 78, 'absent'],
  [['migrate', '--url', 'postgresql://u:secret@localhost/x'], 2, '--password-file'],
  [[], 2, 'bootstrap, start, stop'],
  [['start'], 78, 'ktadmin db bootstrap'],
] as const)('refuses %j', async (argv, exit, words) => {
  const { db } = await makeHome()
  const said = await db(...argv)
  // As root the private database says first that it does not run as root.
  const expected = process.getuid?.() === 0 && argv[0] === 'start' ? 'root' : words
  expect([said.exit, said.stderr]).toEqual([exit, expect.stringContaining(expected)])
  expect(said.stderr).not.toContain('secret')
})
