/** Commands against a running server, as an operator types them. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { keytrusteeOrgtool, ktadmin } from '../../src/programs.js'
import { runCommand } from '../support/run-command.js'
import { connectClient, makeEnrolment, startTestServer } from '../support/running-server.js'

async function running() {
  const at = await startTestServer({ settings: ['keytrustee.sealing=pass-through'] })
  const root = dirname(at.paths.root)
  const admin = (...argv: string[]) => runCommand(ktadmin, root, argv)
  const orgtool = (...argv: string[]) => runCommand(keytrusteeOrgtool, root, argv)
  return { at, root, admin, orgtool }
}

test('organisations and clients: add, enrol, approve, disable, enable, suspend', async () => {
  const { at, root, admin } = await running()
  const added = await admin('org', 'add', 'PROD', '-c', 'a@b', '-c', 'c@d', '--json')
  const { authSecret, contacts } = JSON.parse(added.stdout) as {
    authSecret: string
    contacts: string[]
  }
  expect(contacts).toEqual(['a@b', 'c@d'])
  expect(Buffer.from(authSecret, 'base64')).toHaveLength(16)
  expect((await admin('org', 'list')).stdout).toMatch(/PROD +active +by auth secret/)
  expect(await admin('org', 'add', 'PROD')).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('PROD already') as string,
  })
  expect((await admin('org', 'add', 'no spaces')).exit).toBe(2)

  const { body } = await makeEnrolment({ organisation: 'PROD' })
  const { client } = await connectClient(at).enrol(body)
  expect((await admin('client', 'list', '--state', 'waiting')).stdout).toContain(client)
  expect((await admin('client', 'approve', client)).stdout).toMatch(/state: +active/)
  expect((await admin('client', 'disable', client)).stdout).toMatch(/state: +disabled/)
  expect((await admin('client', 'enable', client)).stdout).toMatch(/state: +active/)
  expect((await admin('client', 'list', '--org', 'OTHER')).exit).toBe(1)
  expect((await admin('client', 'list', '--state', 'odd')).exit).toBe(2)

  const file = join(root, 'secret')
  await writeFile(file, 'a secret of my own\n')
  expect((await admin('org', 'set-auth', 'PROD', '--auth-file', file)).stdout).not.toContain(
    'a secret',
  )
  const other = await makeEnrolment({
    organisation: 'PROD',
    auth: 'a secret of my own',
    clientName: 'two',
  })
  expect((await connectClient(at).enrol(other.body)).state).toBe('active')
  expect((await admin('org', 'set-auth', 'PROD', '--none')).stdout).toContain('by approval')
  expect((await admin('org', 'disable', 'PROD')).stdout).toMatch(/state: +suspended/)
  expect((await admin('org', 'enable', 'PROD')).stdout).toMatch(/state: +active/)
  expect((await admin('client', 'reenrol', client, '--expires', '1h')).stdout).toMatch(
    /code: +\S{24}/,
  )
  expect((await admin('client', 'enable', client)).stdout).toMatch(/state: +active/)
  const audit = await at.auditLines()
  expect(JSON.stringify(audit)).not.toContain('a secret of my own')
  expect(JSON.stringify(audit)).not.toContain(authSecret)
})

test('how clients enrol has an end; organisations are renamed and deleted; recovery is named', async () => {
  const { root, admin } = await running()
  await admin('org', 'add', 'PROD')
  const limited = await admin('org', 'set-auth', 'PROD', '--expires', '7d', '--uses', '5')
  expect(limited.stdout).toMatch(/by auth secret, until 2\S+Z, 5 left/)
  const open = await admin('org', 'set-auth', 'PROD', '--open')
  expect([open.exit, open.stderr]).toEqual([0, expect.stringContaining('warning: everybody')])
  expect((await admin('org', 'list')).stdout).toContain('OPEN TO ANYBODY')
  for (const wrong of [
    ['--none', '--open'],
    ['--none', '--uses', '1'],
    ['--uses', '0'],
    ['--expires', 'soon'],
  ])
    expect((await admin('org', 'set-auth', 'PROD', ...wrong)).exit).toBe(2)

  const out = join(root, 'recovery.key')
  const recovery = await admin('org', 'set-recovery', 'PROD', '--generate', '--out', out)
  expect(recovery.stdout).toMatch(/fingerprint: +(\S\S:){31}\S\S/)
  const file = await readFile(out, 'utf8')
  expect(file).toMatch(/^AGE-SECRET-KEY-PQ-1/m)
  expect((await stat(out)).mode & 0o777).toBe(0o600)
  const again = await admin('org', 'set-recovery', 'PROD', '--generate', '--out', out)
  expect(again.exit).toBe(2)
  expect(await readFile(out, 'utf8')).toBe(file)
  const recipient = /recipient: (\S+)/.exec(file)?.[1] ?? ''
  for (const argv of [['--none'], ['--recipient', recipient]])
    expect((await admin('org', 'set-recovery', 'PROD', ...argv)).exit).toBe(0)
  const lost = await admin('org', 'set-recovery', 'NOBODY', '--generate', '--out', `${out}.2`)
  expect([lost.exit, lost.stderr]).toEqual([1, expect.stringContaining('repeat with --recipient')])
  for (const argv of [[], ['--generate'], ['--none', '--generate'], ['--recipient', 'age1x']])
    expect((await admin('org', 'set-recovery', 'PROD', ...argv)).exit).toBe(2)

  expect((await admin('org', 'rename', 'PROD', 'LIVE')).stdout).toMatch(/name: +LIVE/)
  expect((await admin('org', 'delete', 'PROD', '--yes')).exit).toBe(1)
  expect((await admin('org', 'delete', 'LIVE')).exit).toBe(2)
  expect((await admin('org', 'delete', 'LIVE', '--yes')).stdout).toMatch(/deleted: +LIVE/)
  expect((await admin('org', 'list', '--json')).stdout.trim()).toBe('[]')
})

test('deposits, HSM keys, status, audit', async () => {
  const { at, admin } = await running()
  const { authSecret } = JSON.parse((await admin('org', 'add', 'PROD', '--json')).stdout) as {
    authSecret: string
  }
  const { key, body } = await makeEnrolment({ organisation: 'PROD', auth: authSecret })
  const { certificate = '', client: uuid } = await connectClient(at).enrol(body)
  const client = connectClient(at, { certificate, key })
  for (const handle of ['a', 'b', 'c']) await client.put({ handle, content: Buffer.from(handle) })

  const page = await admin('deposit', 'list', '--limit', '2')
  expect(page.stdout.split('\n').map((line) => line.split(' ')[0])).toEqual([
    'HANDLE',
    'a',
    'b',
    '',
  ])
  expect(page.stderr).toContain('--after b')
  const rest = JSON.parse(
    (await admin('deposit', 'list', '--after', 'b', '--client', uuid, '--org', 'PROD', '--json'))
      .stdout,
  ) as { deposits: { handle: string }[] }
  expect(rest.deposits.map(({ handle }) => handle)).toEqual(['c'])
  expect((await admin('deposit', 'list', '--limit', '0')).exit).toBe(2)

  for (const argv of [['list'], ['prune'], ['revoke', 'x', '--yes']])
    expect(await admin('hsm-keys', ...argv)).toMatchObject({
      exit: 1,
      stderr: expect.stringContaining('ktadmin keyhsm') as string,
    })
  expect(await admin('hsm-keys', 'revoke', 'x')).toMatchObject({
    exit: 1,
    stderr: expect.stringContaining('ktadmin keyhsm') as string,
  })
  expect((await admin('hsm-keys', 'prune', '--confirm', at.paths.settings)).exit).toBe(2)

  const verified = await admin('audit', 'verify', '--public-key', at.paths.auditPublicKey)
  expect(verified).toMatchObject({
    exit: 0,
    stdout: expect.stringMatching(/audit: +verified/) as string,
  })
  const log = join(at.paths.audit, 'audit.log')
  await writeFile(log, (await readFile(log, 'utf8')).replace('"org-add"', '"org-del"'))
  const faulty = await admin('audit', 'verify')
  expect(faulty).toMatchObject({
    exit: 1,
    stderr: expect.stringMatching(/audit\.log line \d+/) as string,
  })
})

test('administrators: another key, chosen by name', async () => {
  const { at, root, admin } = await running()
  expect((await admin('admin', 'add', 'bob')).exit).toBe(0)
  await at.server.reload()
  expect((await admin('org', 'add', 'PROD', '--as', 'bob')).exit).toBe(0)
  expect((await at.auditLines()).at(-1)).toMatchObject({ actor: 'bob', operation: 'org-add' })
  expect((await admin('admin', 'list')).stdout).toContain('bob')
  const byEnvironment = await runCommand(ktadmin, root, ['org', 'list'], {
    env: { KEYTRUSTEE_ADMIN: 'eve' },
  })
  expect([byEnvironment.exit, byEnvironment.stderr]).toEqual([
    78,
    expect.stringContaining('ktadmin admin add eve'),
  ])
})

test('keytrustee-orgtool: the old product’s options, log lines and JSON', async () => {
  const { at, orgtool, admin } = await running()
  const added = await orgtool('add', '-n', 'PROD', '-c', 'finn@example.com,jake@example.com')
  const told =
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - keytrustee\.server\.orgtool - INFO - (.*)$/gm
  expect([...added.stderr.matchAll(told)].map(([, words]) => words)).toEqual([
    'Adding organization to database',
    'Initializing random secret',
  ])
  const document = JSON.parse(added.stdout) as Record<
    string,
    { auth_secret: string; contacts: string[]; state: number }
  >
  expect(document['PROD']).toMatchObject({
    contacts: ['finn@example.com', 'jake@example.com'],
    state: 0,
  })
  const asJson = await orgtool('list', '--json')
  expect(JSON.parse(asJson.stdout)).toHaveProperty('PROD.auth_secret', null)
  const listed = await orgtool('list')
  expect(listed.stdout).toContain('\n    "PROD": {\n        "auth_secret": null,\n')
  expect(listed.stdout).not.toContain(document['PROD']?.auth_secret)

  const set = await orgtool('set-auth', '-n', 'PROD', '-s', 'a secret of my own')
  expect(set).toMatchObject({
    exit: 0,
    stderr: expect.stringContaining('warning: --secret is deprecated') as string,
  })
  const expiring = await admin('org', 'set-auth', 'PROD', '--expires', '1d')
  expect(expiring.exit).toBe(0)
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 13)
  expect((await orgtool('list')).stdout).toContain(`"expiration": "${tomorrow}`)
  expect((await orgtool('set-auth', '-n', 'PROD', '-s', '')).exit).toBe(0)
  expect((await orgtool('list')).stdout).toContain('"expiration": "9999-12-31T18:59:59"')
  const { body } = await makeEnrolment({ organisation: 'PROD' })
  const { client } = await connectClient(at).enrol(body)
  const row = await at.store.findClient({ uuid: client as never })
  const fingerprint = row?.keyFingerprint.toUpperCase().replace(/(..)(?=.)/g, '$1:') ?? ''
  expect((await orgtool('enable-client', '--fingerprint', fingerprint)).stdout).toMatch(
    /state: +active/,
  )
  expect((await orgtool('disable-client', '--fingerprint', fingerprint)).stdout).toMatch(
    /state: +disabled/,
  )
  expect((await orgtool('enable-client', '--fingerprint', fingerprint)).stdout).toMatch(
    /state: +active/,
  )
  expect((await orgtool('enable-client', '--fingerprint', 'xx')).exit).toBe(2)
})
