/** `keytrustee-server` as an operator runs it: processes, pid file, private cluster. Run as root it drops privileges. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { chmod } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { clusterUser } from '../support/unprivileged.js'

const bin = fileURLToPath(new URL('../../../../bin/', import.meta.url))
const patienceMs = 180_000

interface Finished {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'kt-'))
  await chmod(root, 0o755)
})
afterAll(async () => {
  await run('keytrustee-server', 'stop')
  await rm(root, { recursive: true, force: true })
}, patienceMs)

function run(program: string, ...argv: readonly string[]): Promise<Finished> {
  const env = { PATH: process.env['PATH'], KEYHSM_HOME: root, KEYTRUSTEE_USER: clusterUser?.name }
  return new Promise((resolve) => {
    execFile(process.execPath, [join(bin, program), ...argv], { env }, (error, stdout, stderr) => {
      const exit = error === null ? 0 : Number(error.code ?? 1)
      resolve({ exit, stdout, stderr: stderr.replace(/^Dropped privileges to .*\n/, '') })
    })
  })
}

test('start, status, reload, stop; with its private database', {
  timeout: patienceMs,
}, async () => {
  const early = await run('keytrustee-server', 'start')
  expect([early.exit, early.stderr]).toEqual([78, expect.stringContaining('ktadmin init')])
  expect((await run('ktadmin', 'init', '--address', '127.0.0.1', '--port', '0')).exit).toBe(0)
  const bare = await run('keytrustee-server', 'start')
  expect([bare.exit, bare.stderr]).toEqual([78, expect.stringContaining('ktadmin db bootstrap')])
  expect((await run('ktadmin', 'db', '--bootstrap')).exit).toBe(0)
  expect((await run('ktadmin', 'db', 'status')).stdout).toMatch(/state: +running/)

  const started = await run('keytrustee-server', 'start')
  expect([started.exit, started.stderr]).toEqual([
    0,
    expect.stringMatching(
      /^keytrustee-server: is ready on https:\/\/127\.0\.0\.1:\d+ \(pid \d+\)\n$/,
    ),
  ])
  const again = await run('keytrustee-server', 'start')
  expect([again.exit, again.stderr]).toEqual([1, expect.stringContaining('running')])
  const status = await run('keytrustee-server', 'status', '--json')
  expect([status.exit, JSON.parse(status.stdout)]).toEqual([
    69,
    expect.objectContaining({ running: true, healthy: false, deposits: 0 }),
  ])
  expect((await run('ktadmin', 'org', 'add', 'PROD')).exit).toBe(0)

  const file = join(root, 'keytrustee', 'keytrustee.properties')
  const settings = await readFile(file, 'utf8')
  await writeFile(file, `${settings}keytrustee.nonsense=1\n`)
  for (const order of ['reload', 'restart'])
    expect((await run('keytrustee-server', order)).exit).toBe(78)
  await writeFile(file, settings)
  const before = JSON.parse((await run('ktadmin', 'status', '--json')).stdout) as { pid: number }
  const restarted = await run('keytrustee-server', 'restart', '--json')
  expect(JSON.parse(restarted.stdout)).toMatchObject({ before: 'stopped' })
  expect(JSON.parse((await run('ktadmin', 'status', '--json')).stdout)).not.toMatchObject({
    pid: before.pid,
  })
  expect((await run('keytrustee-server', 'reload')).exit).toBe(0)

  expect((await run('keytrustee-server', 'stop')).stderr).toBe('keytrustee-server: stopped\n')
  expect((await run('ktadmin', 'db', 'status')).stdout).toMatch(/state: +stopped/)
  expect((await run('keytrustee-server', 'stop')).stderr).toContain('is not running')
  expect((await run('keytrustee-server', 'reload')).exit).toBe(69)
  expect((await run('ktadmin', 'audit', 'verify')).exit).toBe(0)

  expect((await run('keytrustee-server', 'start')).exit).toBe(0)
  expect((await run('ktadmin', 'org', 'list')).stdout).toContain('PROD')
})
