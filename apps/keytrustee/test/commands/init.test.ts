import { execFile } from 'node:child_process'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { invokingUser } from '../../src/administrators.js'
import { pathsIn } from '../../src/paths.js'
import { ktadmin } from '../../src/programs.js'
import { runCommand } from '../support/run-command.js'

async function makeRoot() {
  const root = await mkdtemp(join(tmpdir(), 'kt-init-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  return { root, paths: pathsIn(join(root, 'keytrustee')) }
}

describe('ktadmin init', () => {
  test('makes every file once, private ones for their owner alone, and prints the fingerprint', async () => {
    const { root, paths } = await makeRoot()
    const said = await runCommand(ktadmin, root, [
      'init',
      '--external-address',
      'kt.example.com',
      '--external-address',
      '192.0.2.1',
      '--port',
      '12345',
    ])
    expect(said.exit).toBe(0)
    const { stdout } = await promisify(execFile)('openssl', [
      'x509',
      '-in',
      paths.serverCertificate,
      '-noout',
      '-fingerprint',
      '-sha256',
      '-ext',
      'subjectAltName',
    ])
    const fingerprint = /Fingerprint=(.*)/.exec(stdout)?.[1]?.replaceAll(':', '').toLowerCase()
    expect(said.stdout).toBe(`server fingerprint (SHA-256): ${fingerprint}\n`)
    expect(stdout).toContain('DNS:kt.example.com, IP Address:192.0.2.1')
    for (const file of [
      paths.serverKey,
      paths.keyHsmClientKey,
      paths.authorityKey,
      paths.grantKey,
      paths.auditKey,
      join(paths.administrators, `${invokingUser}.key`),
    ])
      expect([file, (await stat(file)).mode & 0o777]).toEqual([file, 0o600])
    for (const folder of ['.ssl', '.ca', 'admin', 'run', 'log', 'audit'])
      expect((await stat(join(paths.root, folder))).mode & 0o777).toBe(0o700)

    const before = await Promise.all(
      [paths.grantKey, paths.serverKey, paths.auditKey, paths.settings].map((file) =>
        readFile(file, 'utf8'),
      ),
    )
    const again = await runCommand(ktadmin, root, ['init'])
    expect([again.exit, again.stdout]).toEqual([0, said.stdout])
    expect(again.stderr).toBe('ktadmin: everything is there already\n')
    const after = await Promise.all(
      [paths.grantKey, paths.serverKey, paths.auditKey, paths.settings].map((file) =>
        readFile(file, 'utf8'),
      ),
    )
    expect(after).toEqual(before)
    expect(before.at(-1)).toContain('keytrustee.server.port=12345')
  })

  test('the pair for Key HSM is a client’s, the authority signs leafs only', async () => {
    const { root, paths } = await makeRoot()
    await runCommand(ktadmin, root, ['init'])
    const client = new X509Certificate(await readFile(paths.keyHsmClientCertificate))
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    const authority = new X509Certificate(await readFile(paths.authorityCertificate))
    expect(authority.ca).toBe(true)
    const audit = createPublicKey(await readFile(paths.auditPublicKey))
    expect(audit.asymmetricKeyType).toBe('ed25519')
  })

  test.each([
    [['--port', 'x'], '--port must be'],
    [['--address', 'localhost'], '--address must be'],
    [['--external-address', 'a b'], '--external-address must be'],
    [['--bogus'], "unknown option '--bogus'"],
  ])('refuses %j with exit 2', async (options, words) => {
    const { root } = await makeRoot()
    const said = await runCommand(ktadmin, root, ['init', ...options])
    expect([said.exit, said.stderr]).toEqual([2, expect.stringContaining(words)])
  })
})

test('settings: defaults are marked, faults are told with their line', async () => {
  const { root, paths } = await makeRoot()
  await runCommand(ktadmin, root, ['init', '--port', '0'])
  const said = await runCommand(ktadmin, root, ['settings'])
  expect(said.stdout).toMatch(/keytrustee\.server\.port +0 +keytrustee\.properties/)
  expect(said.stdout).toMatch(/keytrustee\.prune\.min-age +24h +default/)
  await writeFile(paths.settings, '# x\nkeytrustee.server.port=no\n')
  const faulty = await runCommand(ktadmin, root, ['settings'])
  expect([faulty.exit, faulty.stderr]).toEqual([
    78,
    expect.stringContaining('line 2: keytrustee.server.port'),
  ])
})

test('a command that needs the server says how to start it', async () => {
  const { root, paths } = await makeRoot()
  const none = await runCommand(ktadmin, root, ['org', 'list'])
  expect([none.exit, none.stderr]).toEqual([78, expect.stringContaining('ktadmin init')])
  const audit = await runCommand(ktadmin, root, ['audit', 'verify'])
  expect([audit.exit, audit.stderr]).toEqual([
    78,
    expect.stringMatching(/audit\.pub cannot be read\n.*--public-key/),
  ])
  await runCommand(ktadmin, root, ['init'])
  const said = await runCommand(ktadmin, root, ['org', 'list'])
  expect([said.exit, said.stderr]).toEqual([69, expect.stringContaining('keytrustee-server start')])
  const status = await runCommand(ktadmin, root, ['status', '--json'])
  expect([status.exit, JSON.parse(status.stdout)]).toEqual([
    69,
    { running: false, serverFingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string },
  ])
  await chmod(join(paths.administrators, `${invokingUser}.key`), 0o644)
  const open = await runCommand(ktadmin, root, ['org', 'list'])
  expect([open.exit, open.stderr]).toEqual([78, expect.stringContaining('may be read by others')])
})
