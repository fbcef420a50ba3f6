import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatWriterKey, readClientKeys, sealForReaders } from '@keyhsm/client'
import { DomainError, irretrievable, parseHandle, parseUuid } from '@keyhsm/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeTestClient, type TestClient } from '../run.js'
import { type Kept, TestTrustee } from '../trustee.js'

const trustee = new TestTrustee()
let client: TestClient
let stranger: TestClient
beforeAll(async () => {
  await trustee.start()
  client = await registered('c1')
  stranger = await registered('c2')
})
afterAll(async () => {
  await trustee.stop()
  client.drop()
  stranger.drop()
})
beforeEach(() => {
  trustee.asked.length = 0
})
afterEach(() => {
  trustee.deposits.clear()
  trustee.swaps.clear()
  expect(trustee.faults.splice(0)).toEqual([])
})

async function registered(name: string): Promise<TestClient> {
  const made = makeTestClient()
  const where = ['--server', trustee.url, '--server-fingerprint', trustee.fingerprint]
  const { status } = await made.run(['register', ...where, '--org', 'org', '--clientname', name], {
    env: { KEYTRUSTEE_AUTH: trustee.auth },
  })
  expect(status).toBe(0)
  return made
}

async function put(handle: string, text: string | Buffer, ...more: string[]) {
  return await client.run(['put', handle, '-', ...more], { text })
}

function stored(handle: string): Buffer {
  return trustee.deposits.get(handle)?.at(-1)?.content ?? Buffer.alloc(0)
}

/** Writes a member of client.json, and returns how to take it back. */
function configure(member: Record<string, unknown>): () => void {
  const path = join(client.folder, 'client.json')
  const before = readFileSync(path, 'utf8')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(before), ...member }))
  return () => writeFileSync(path, before)
}

describe('keytrustee put', () => {
  it('prints handle, uuid and revision, and sends sealed bytes only', async () => {
    const outcome = await put('h', 'marked-secret-content')
    const deposit = trustee.deposits.get('h')?.[0]?.deposit
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(String(outcome.out)).toBe(`handle:   h\nuuid:     ${deposit?.uuid}\nrevision: 1\n`)
    expect(stored('h').toString('latin1')).toMatch(/^age-encryption\.org\/v1\n/)
    expect(stored('h').includes('marked-secret-content')).toBe(false)
  })

  it('leaves a taken handle alone unless told to replace it', async () => {
    await put('h', 'one')
    const refused = await put('h', 'two')
    expect([refused.status, trustee.deposits.get('h')?.length]).toEqual([1, 1])
    expect(refused.err).toContain('the handle is taken')
    expect(String((await put('h', 'two', '--replace')).out)).toContain('revision: 2')
    expect(String((await client.run(['get', 'h'])).out)).toBe('two')
    const first = trustee.deposits.get('h')?.[0]?.deposit.revisionUuid ?? ''
    const earlier = await client.run(['get', first])
    expect([String(earlier.out), earlier.err]).toEqual([
      'one',
      `keytrustee: ${first} is revision 1 of h\n`,
    ])
  })

  it('replaces nothing that changed in between, and deposits what is not there', async () => {
    expect(String((await put('h', 'x', '--replace')).out)).toContain('revision: 1')
    trustee.races.set('put', () => trustee.deposits.delete('h'))
    const lost = await put('h', 'y', '--replace')
    expect(lost.status).toBe(1)
    expect(lost.err).toContain('the deposit has another revision now')
  })

  it.each(['', 'a'.repeat(129), '-x', 'a/b', '.a', 'a b', 'ü'])(
    'refuses the handle %j before it reads or connects',
    async (handle) => {
      const outcome = await client.run(['put', '--', handle, '/nonexistent'])
      expect(outcome.status).toBe(2)
      expect(outcome.err).toMatch(/^keytrustee: handle must [^\n]*\n$/)
      expect(trustee.asked).toEqual([])
    },
  )

  it('refuses content over the limit before it connects', async () => {
    const outcome = await put('h', Buffer.alloc(1024 * 1024 + 1))
    expect([outcome.status, outcome.err]).toEqual([
      2,
      'keytrustee: content must be at most 1048576 bytes\n',
    ])
    const restore = configure({ maxContentBytes: 3 })
    const small = await put('h', 'four')
    restore()
    expect([small.status, small.err]).toEqual([2, 'keytrustee: content must be at most 3 bytes\n'])
    expect(trustee.asked).toEqual([])
  })

  it('refuses unreadable files, unknown options and scopes with one line', async () => {
    for (const argv of [
      ['put', 'h', '/nonexistent'],
      ['put', 'h', '--scope', 'all', '-'],
      ['put', 'h', '--x'],
    ]) {
      const outcome = await client.run(argv)
      expect(outcome.status).toBe(2)
      expect(outcome.err.split('\n')[0]).toMatch(/^keytrustee: .*(file|--scope|--x)/)
    }
    expect(trustee.asked).toEqual([])
  })

  it('reads standard input when no file is named', async () => {
    expect((await client.run(['put', 'h'], { text: 'from stdin' })).status).toBe(0)
    expect(String((await client.run(['get', 'h'])).out)).toBe('from stdin')
  })

  it('repeats what the server could not do now, and gives up in words', async () => {
    const fault = new DomainError('ERR_HSM_UNAVAILABLE', 'the HSM cannot be asked', {
      retryAfterMs: 1,
    })
    trustee.faults.push(fault)
    expect((await put('h', 'x')).status).toBe(0)
    trustee.faults.push(
      new DomainError('ERR_STORE_UNAVAILABLE', 'no database', { retryAfterMs: 60_000 }),
    )
    const outcome = await put('i', 'x')
    expect(outcome.status).toBe(69)
    expect(outcome.err).toContain('keytrustee: unavailable, retry: no database\n')
    expect(outcome.err).toContain('hint: try again in 60 s\n')
  })
})

describe('keytrustee get', () => {
  it.each([0, 1, 1024, 1024 * 1024])('returns %i bytes identically', async (length) => {
    const content = Buffer.alloc(length, Buffer.from([0, 10, 255, 13]))
    await put('h', content)
    const outcome = await client.run(['get', 'h'])
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(outcome.out.equals(content)).toBe(true)
  })

  it('writes a private file', async () => {
    await put('h', 'content')
    const path = join(client.home, 'out')
    writeFileSync(path, 'old', { mode: 0o644 })
    const outcome = await client.run(['get', 'h', '-o', path])
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(String(outcome.out)).toBe('')
    expect(readFileSync(path, 'utf8')).toBe('content')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(client.home).sort()).toEqual(['client', 'out'])
  })

  it('refuses places it cannot write before it retrieves', async () => {
    await put('h', 'content')
    trustee.asked.length = 0
    mkdirSync(join(client.home, 'folder'))
    symlinkSync('/etc/passwd', join(client.home, 'link'))
    for (const place of [
      '/nonexistent/out',
      join(client.home, 'folder'),
      join(client.home, 'link'),
      '/dev/null',
    ]) {
      const outcome = await client.run(['get', 'h', '-o', place])
      expect(outcome.status).toBe(2)
      expect(outcome.err).toMatch(/^keytrustee: --output must be .*\n$/)
    }
    expect(trustee.asked).toEqual([])
  })

  it('returns JSON with the content in base64', async () => {
    await put('h', 'ab')
    const { out } = await client.run(['get', 'h', '--json'])
    expect(JSON.parse(String(out))).toMatchObject({
      handle: 'h',
      revision: 1,
      contentBytes: 2,
      content: 'YWI=',
    })
  })

  it('tells final from passing', async () => {
    trustee.faults.push(irretrievable())
    const final = await client.run(['get', 'h'])
    expect([final.status, String(final.out)]).toEqual([1, ''])
    expect(final.err).toContain('keytrustee: the deposit is irretrievable\nhint: this is final')
    trustee.faults.push(
      new DomainError('ERR_WRONG_PARTITION', 'wrong partition', { retryAfterMs: 60_000 }),
    )
    const passing = await client.run(['get', 'h'])
    expect(passing.status).toBe(69)
    expect(passing.err).toContain('keytrustee: unavailable, retry: wrong partition\n')
  })

  it('does not believe a server that swaps, edits or forges deposits', async () => {
    await put('a', 'of a')
    await put('b', 'of b')
    const [a, b] = [kept('a'), kept('b')]
    const foreign = await sealAs(stranger, 'from a stranger')
    const cases: [Kept, string][] = [
      [{ ...a, content: b.content }, 'deposited under another handle'],
      [b, 'answered with another deposit'],
      [{ ...a, content: flipLastBit(a.content) }, 'not sealed for this client, or it was changed'],
      [{ ...a, content: Buffer.from('plain') }, 'was not sealed by a client'],
      [{ ...a, content: foreign }, 'was not written by a pinned writer'],
    ]
    for (const [answer, words] of cases) {
      trustee.swaps.set('a', answer)
      const outcome = await client.run(['get', 'a', '-o', join(client.home, 'never')])
      expect([outcome.status, String(outcome.out)]).toEqual([1, ''])
      expect(outcome.err).toContain(words)
    }
    expect(readdirSync(client.home)).not.toContain('never')
  })

  it('believes a writer that client.json pins', async () => {
    await put('a', 'of a')
    trustee.swaps.set('a', { ...kept('a'), content: await sealAs(stranger, 'from a friend') })
    const { identityKey } = await readClientKeys(stranger.folder)
    const restore = configure({ writers: [formatWriterKey(identityKey)] })
    const outcome = await client.run(['get', 'a'])
    restore()
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(String(outcome.out)).toBe('from a friend')
  })

  it('cannot read what was sealed for another client', async () => {
    await put('h', 'marked-secret-content')
    const outcome = await stranger.run(['get', 'h'])
    expect([outcome.status, String(outcome.out)]).toEqual([1, ''])
    expect(outcome.err).toContain('was not sealed for this client')
  })

  it('returns plain content only when told to', async () => {
    expect((await put('h', 'plain', '--no-seal')).status).toBe(0)
    expect(String(stored('h'))).toBe('plain')
    const refused = await client.run(['get', 'h'])
    expect([refused.status, String(refused.out)]).toEqual([1, ''])
    expect(refused.err).toContain('hint: --no-seal returns it as it is')
    expect(String((await client.run(['get', 'h', '--no-seal'])).out)).toBe('plain')
    const restore = configure({ sealing: 'none' })
    await put('i', 'also plain')
    const outcome = await client.run(['get', 'i'])
    restore()
    expect([String(stored('i')), String(outcome.out)]).toEqual(['also plain', 'also plain'])
  })
})

describe('keytrustee list, remove and status', () => {
  it('lists every page as a table or JSON', async () => {
    for (const handle of ['c', 'a', 'b']) await put(handle, 'x')
    const lines = String((await client.run(['list'])).out)
      .trimEnd()
      .split('\n')
    expect(lines[0]).toMatch(/^HANDLE +UUID +REVISION +BYTES +STATE +SEALING +UPDATED$/)
    expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(['a', 'b', 'c'])
    const { out } = await client.run(['list', '--json'])
    expect(JSON.parse(String(out)).map((one: { handle: string }) => one.handle)).toEqual([
      'a',
      'b',
      'c',
    ])
  })

  it('says until when a removal can be undone', async () => {
    await put('h', 'x')
    const outcome = await client.run(['remove', 'h'])
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(String(outcome.out)).toBe('h is removed, can be undone until 2026-02-03T04:05:06.000Z\n')
    const absent = await client.run(['remove', 'absent'])
    expect([absent.status, absent.err]).toEqual([1, 'keytrustee: there is no such deposit\n'])
    expect((await client.run(['remove', 'a/b'])).status).toBe(2)
  })

  it('says who this client is', async () => {
    const outcome = await client.run(['status', '--json'])
    expect(outcome).toMatchObject({ status: 0, err: '' })
    expect(JSON.parse(String(outcome.out))).toMatchObject({
      state: 'active',
      server: trustee.url,
      serverFingerprint: trustee.fingerprint,
      organisation: 'org',
      clientName: 'c1',
      sealing: 'pass-through',
      clientSealing: 'age',
    })
  })

  it('says what to do before anything is registered', async () => {
    const fresh = makeTestClient()
    const outcome = await fresh.run(['status'])
    fresh.drop()
    expect([outcome.status, outcome.err]).toEqual([
      78,
      'keytrustee: this client is not registered\nhint: run `keytrustee register --server URL --org ORGANISATION` first\n',
    ])
  })

  it('is nobody once the server forgets it', async () => {
    const known = [...trustee.clients]
    trustee.clients.clear()
    const outcome = await client.run(['list'])
    for (const [fingerprint, entry] of known) trustee.clients.set(fingerprint, entry)
    expect(outcome.status).toBe(77)
  })
})

function kept(handle: string): Kept {
  const newest = trustee.deposits.get(handle)?.at(-1)
  if (!newest) throw new Error(`nothing is stored under ${handle}`)
  return newest
}

/** Content for our client under the handle `a`, written by another client. */
async function sealAs(writer: TestClient, text: string): Promise<Buffer> {
  const [{ identityKey }, { recipient }] = await Promise.all([
    readClientKeys(writer.folder),
    readClientKeys(client.folder),
  ])
  return await sealForReaders(Buffer.from(text), {
    organisation: parseUuid(kept('a').deposit.organisation),
    handle: parseHandle('a'),
    writer: identityKey,
    recipients: [await recipient()],
    writtenAt: new Date(),
  })
}

function flipLastBit(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  return changed
}
