/** The organisation's recovery recipient: pinned by fingerprint or not sealed for, whatever the server announces. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fingerprintOfRecipient, makeRecoveryIdentity } from '@keyhsm/client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { makeTestClient, type TestClient } from '../run.js'
import { TestTrustee } from '../trustee.js'

const trustee = new TestTrustee()
let client: TestClient
let own: { readonly recipient: string; readonly file: string }
let mallory: typeof own
let fingerprint: string
beforeAll(async () => {
  await trustee.start()
  client = makeTestClient()
  own = await makeRecoveryIdentity('org')
  mallory = await makeRecoveryIdentity('mallory')
  fingerprint = fingerprintOfRecipient(own.recipient)
  expect((await register(client)).status).toBe(0)
})
afterAll(async () => {
  await trustee.stop()
  client.drop()
})
afterEach(async () => {
  trustee.recovery = undefined
  trustee.deposits.clear()
  await client.run(['recovery', '--none'])
})

function register(who: TestClient, ...more: string[]) {
  const where = ['--server', trustee.url, '--server-fingerprint', trustee.fingerprint]
  const argv = ['register', ...where, '--org', 'org', '--clientname', 'c1', ...more]
  return who.run(argv, { env: { KEYTRUSTEE_AUTH: trustee.auth } })
}

function put(handle: string, text: string) {
  return client.run(['put', handle, '-', '--replace'], { text })
}

/** What somebody gets who has nothing of the client but its folder’s settings, and `identity`. */
async function openWith(handle: string, identity: string, writer: string) {
  const other = makeTestClient()
  try {
    expect((await register(other)).status).toBe(0)
    const file = join(other.home, 'identity')
    writeFileSync(file, identity)
    return await other.run(['get', handle, '--identity', file, '--writer', writer])
  } finally {
    other.drop()
  }
}

async function identityOfWriter(): Promise<string> {
  const status = JSON.parse(String((await client.run(['status', '--json'])).out)) as {
    identityFingerprint: string
  }
  return status.identityFingerprint
}

describe('keytrustee recovery', () => {
  it('pins what is announced only with its fingerprint, and everything is sealed for it then', async () => {
    trustee.recovery = own.recipient
    const unpinned = await put('h', 'before')
    expect([unpinned.status, unpinned.err]).toEqual([
      0,
      expect.stringContaining('not pinned here: nothing is sealed for it'),
    ])
    const writer = await identityOfWriter()
    expect((await openWith('h', own.file, writer)).status).toBe(1)
    const pinned = await client.run(['recovery', '--fingerprint', fingerprint, '--json'])
    expect(JSON.parse(String(pinned.out))).toEqual({ pinned: fingerprint, announced: fingerprint })
    expect(await put('h', 'after')).toMatchObject({ status: 0, err: '' })
    const opened = await openWith('h', own.file, writer)
    expect([String(opened.out), opened.status]).toEqual(['after', 0])
    const stranger = await openWith('h', own.file, 'a'.repeat(64))
    expect([stranger.status, stranger.err]).toEqual([1, expect.stringContaining('pinned writer')])
    expect((await openWith('h', 'no identity', writer)).status).toBe(78)
  })

  it('a server that announces another recipient gets nothing sealed for it', async () => {
    trustee.recovery = own.recipient
    await client.run(['recovery', '--fingerprint', fingerprint])
    trustee.recovery = mallory.recipient
    const refused = await client.run(['recovery', '--fingerprint', fingerprint])
    expect([refused.status, refused.err]).toEqual([
      1,
      expect.stringContaining('announces another recovery recipient'),
    ])
    const written = await put('h', 'x')
    expect([written.status, written.err]).toEqual([
      0,
      expect.stringContaining('the pinned one, which stays in use'),
    ])
    const writer = await identityOfWriter()
    expect((await openWith('h', mallory.file, writer)).status).toBe(1)
    expect((await openWith('h', own.file, writer)).status).toBe(0)
    const status = String((await client.run(['status'])).out)
    expect(status).toContain(`${fingerprint} (the server announces another one, or none)`)
  })

  it('register pins it at once, and stores nothing when another one is announced', async () => {
    const fresh = makeTestClient()
    const before = trustee.enrolments.length
    trustee.recovery = mallory.recipient
    const refused = await register(fresh, '--recovery-fingerprint', fingerprint)
    expect([refused.status, (await fresh.run(['status'])).status]).toEqual([1, 78])
    trustee.recovery = own.recipient
    expect(await register(fresh, '--recovery-fingerprint', fingerprint)).toMatchObject({
      status: 0,
      err: '',
    })
    expect(trustee.enrolments[before]?.certificateRequest).toBeDefined()
    const settings = JSON.parse(readFileSync(join(fresh.folder, 'client.json'), 'utf8')) as {
      recovery: string
    }
    expect(settings.recovery).toBe(own.recipient)
    fresh.drop()
  })

  it('has a clear answer where there is none, and refuses options that contradict each other', async () => {
    const none = await client.run(['recovery', '--fingerprint', fingerprint])
    expect([none.status, none.err]).toEqual([
      1,
      expect.stringContaining('the organisation has no recovery recipient'),
    ])
    expect((await client.run(['recovery', '--none', '--fingerprint', fingerprint])).status).toBe(2)
    expect((await client.run(['recovery', '--fingerprint', 'ab'])).status).toBe(2)
    expect(String((await client.run(['recovery'])).out)).toContain('pinned:    none')
  })
})

describe('keytrustee register --code-file', () => {
  it('sends the code instead of a secret, and takes only one of the two', async () => {
    const fresh = makeTestClient()
    const code = join(fresh.home, 'code')
    writeFileSync(code, 'the-one-time-code\n')
    const secret = join(fresh.home, 'secret')
    writeFileSync(secret, trustee.auth)
    const both = await register(fresh, '--code-file', code, '--auth-file', secret)
    expect([both.status, both.err]).toEqual([2, expect.stringContaining('--code-file cannot')])
    expect((await register(fresh, '--code-file', code)).status).toBe(0)
    const sent = trustee.enrolments.at(-1)
    expect([sent?.code, sent?.auth]).toEqual(['the-one-time-code', undefined])
    const again = await register(fresh, '--code-file', code)
    expect([again.status, again.err]).toEqual([1, expect.stringContaining('move its folder')])
    rmSync(code)
    fresh.drop()
  })
})
