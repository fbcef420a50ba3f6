import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { makeAuthority } from '@keyhsm/service'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeTestClient, type TestClient } from '../run.js'
import { TestTrustee } from '../trustee.js'

let trustee: TestTrustee
let client: TestClient
beforeEach(async () => {
  trustee = await new TestTrustee().start()
  client = makeTestClient()
})
afterEach(async () => {
  await trustee.stop()
  client.drop()
})

function argv(...more: string[]): string[] {
  return ['register', '--server', trustee.url, '--org', 'org', '--clientname', 'c1', ...more]
}

function pinned(...more: string[]): string[] {
  return argv('--server-fingerprint', trustee.fingerprint, ...more)
}

function fileIn(name: string, text: string): string {
  const path = join(client.home, name)
  writeFileSync(path, text)
  return path
}

describe('keytrustee register', () => {
  it('enrols with a pinned fingerprint and keeps everything private', async () => {
    const outcome = await client.run(pinned('--auth-file', '-', '--json'), {
      text: `${trustee.auth}\n`,
    })
    expect(outcome.err).toBe('')
    expect(outcome.status).toBe(0)
    const [{ uuid } = { uuid: '' }] = trustee.clients.values()
    expect(JSON.parse(String(outcome.out))).toMatchObject({
      client: uuid,
      clientName: 'c1',
      state: 'active',
    })
    const names = ['age.key', 'client.json', 'client.key', 'client.pem', 'identity.key']
    expect(readdirSync(client.folder).sort()).toEqual(names)
    expect(statSync(client.folder).mode & 0o777).toBe(0o700)
    for (const name of names) expect(statSync(join(client.folder, name)).mode & 0o777).toBe(0o600)
    expect((await client.run(['status'])).status).toBe(0)
  })

  it('sends nothing of its private keys, and the auth secret only inside the request', async () => {
    await client.run(pinned('--auth-file', fileIn('auth', trustee.auth)))
    const sent = JSON.stringify(trustee.enrolments)
    for (const name of ['age.key', 'client.key', 'identity.key']) {
      const [first, second] = readFileSync(join(client.folder, name), 'utf8').split('\n')
      expect(sent).not.toContain(second || first)
    }
    expect(sent).toContain('age1pq1')
    for (const name of readdirSync(client.folder))
      expect(readFileSync(join(client.folder, name), 'utf8')).not.toContain(trustee.auth)
  })

  it.each([
    ['environment', [], { KEYTRUSTEE_AUTH: 'marked-auth-secret' }, ''],
    [
      'deprecated argument',
      ['--auth', 'marked-auth-secret'],
      {},
      'keytrustee: warning: --auth is deprecated: others can read it in the process list, use --auth-file or KEYTRUSTEE_AUTH\n',
    ],
  ])('takes the auth secret from the %s', async (_, more, env, err) => {
    expect(await client.run(pinned(...more), { env })).toMatchObject({ status: 0, err })
  })

  it('sends nothing to a server with another fingerprint and shows both', async () => {
    const other = 'AB'.repeat(32)
    const outcome = await client.run(argv('--server-fingerprint', other, '--auth-file', '-'), {
      text: trustee.auth,
    })
    expect(outcome.status).toBe(2)
    expect(outcome.err.split('\n')).toEqual([
      `keytrustee: ${trustee.url} is not the expected server: nothing was sent to it`,
      `hint: expected SHA-256 ${'AB:'.repeat(31)}AB`,
      `hint: it shows SHA-256 ${trustee.fingerprint}`,
      '',
    ])
    expect(trustee.asked).toEqual([])
  })

  it('takes the server certificate or its CA as --cacert, and refuses another one', async () => {
    const other = (await makeAuthority({ commonName: 'other', days: 1 })).certificate
    const wrong = await client.run(
      argv('--cacert', fileIn('other.pem', other), '--auth-file', '-'),
      {
        text: trustee.auth,
      },
    )
    expect(wrong.status).toBe(2)
    expect(wrong.err).toContain('is not the expected server: nothing was sent to it')
    expect(wrong.err).toContain(`it shows SHA-256 ${trustee.fingerprint}`)
    expect(trustee.asked).toEqual([])
    const right = argv('--cacert', fileIn('own.pem', trustee.certificate), '--auth-file', '-')
    expect((await client.run(right, { text: trustee.auth })).status).toBe(0)
  })

  it('asks a person, and no is the default', async () => {
    const env = { KEYTRUSTEE_AUTH: trustee.auth }
    const ask = vi.fn(async () => '')
    const refused = await client.run(argv(), { env, isTerminal: true, ask })
    expect([refused.status, trustee.asked]).toEqual([2, []])
    expect(refused.err).toContain(trustee.fingerprint)
    expect(ask).toHaveBeenCalledWith('Is this the right server? [y/N] ')
    expect((await client.run(argv(), { env, isTerminal: true, ask: async () => 'y' })).status).toBe(
      0,
    )
  })

  it('ends where nobody can be asked, unless it was told to take the server', async () => {
    const env = { KEYTRUSTEE_AUTH: trustee.auth }
    const alone = await client.run(argv(), { env })
    expect([alone.status, trustee.asked]).toEqual([2, []])
    expect(alone.err).toContain('hint: give --server-fingerprint F')
    const told = await client.run(argv('-y'), { env })
    expect(told.status).toBe(0)
    expect(told.err).toContain('warning: taken without comparison')
  })

  it('waits for approval and finishes with the kept key and pin', async () => {
    const waiting = await client.run(pinned())
    const [entry] = trustee.clients.values()
    expect(waiting.status).toBe(0)
    expect(waiting.err).toContain(`hint: on the server: ktadmin client approve ${entry?.uuid}`)
    const put = await client.run(['put', 'h', '-'], { text: 'x' })
    expect([put.status, put.err]).toEqual([
      78,
      'keytrustee: the registration of this client is not finished\nhint: run `keytrustee register` again once an administrator has approved it\n',
    ])
    expect(String((await client.run(['status'])).out)).toContain('waiting')
    const keys = readFileSync(join(client.folder, 'client.key'), 'utf8')
    if (entry) entry.approved = true
    const finished = await client.run(['register'])
    expect([finished.status, finished.err]).toEqual([0, ''])
    expect(readFileSync(join(client.folder, 'client.key'), 'utf8')).toBe(keys)
    expect(trustee.clients.size).toBe(1)
    expect(trustee.enrolments[1]).toMatchObject({ organisation: 'org', clientName: 'c1' })
  })

  it('refuses a second registration and a wrong secret', async () => {
    const wrong = await client.run(pinned('--auth-file', '-'), { text: 'wrong' })
    expect(wrong.status).toBe(77)
    expect(wrong.err).toContain('organisation or auth secret is wrong')
    expect((await client.run(pinned('--auth-file', '-'), { text: trustee.auth })).status).toBe(0)
    const again = await client.run(pinned('--auth-file', '-'), { text: trustee.auth })
    expect(again.status).toBe(1)
    expect(again.err).toContain('already registered')
  })

  it.each([
    [['register', '--org', 'o'], '--server is required'],
    [['register', '--server', 'https://h'], '--org is required'],
    [['register', '--server', 'http://h'], '--server must be a URL such as https://host:11371'],
    [['register', '--server', 'https://h', '--org', 'a b'], '--org must start with'],
    [
      ['register', '--server', 'https://h', '--org', 'o', '--server-fingerprint', 'ab'],
      '--server-fingerprint must be a SHA-256 fingerprint',
    ],
  ])('refuses %j with status 2', async (words, message) => {
    const outcome = await client.run(words)
    expect(outcome.status).toBe(2)
    expect(outcome.err).toContain(`keytrustee: ${message}`)
  })

  it('says that a server which is down can be asked later', async () => {
    await trustee.stop()
    const outcome = await client.run(pinned('--auth-file', '-'), { text: trustee.auth })
    expect(outcome.status).toBe(69)
    expect(outcome.err).toBe(
      `keytrustee: unavailable, retry: cannot talk to ${trustee.url}: connection refused\n`,
    )
  })

  it('repeats an enrolment that the server could not finish', async () => {
    trustee.faults.push(
      new DomainError('ERR_STORE_UNAVAILABLE', 'no database', { retryAfterMs: 1 }),
    )
    const outcome = await client.run(pinned('--auth-file', '-'), { text: trustee.auth })
    expect([outcome.status, trustee.asked]).toEqual([0, ['enrol', 'enrol']])
  })
})
