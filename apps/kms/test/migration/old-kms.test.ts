/** Another KMS over HTTP as a source of keys: one of ours plays it, on loopback. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openAuditTrail } from '../../src/audit/audit-trail.js'
import { importKeys, type Importing } from '../../src/migration/import-keys.js'
import { kmsSource } from '../../src/migration/kms-source.js'
import { parseKmsUri } from '../../src/migration/kms-uri.js'
import { OldKms, type OldKmsOptions } from '../../src/migration/old-kms.js'
import { makeTestKms, type TestKms, type TestKmsOptions } from '../support/test-kms.js'

const closers: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function start(options: TestKmsOptions = {}): Promise<TestKms> {
  const kms = await makeTestKms(options)
  closers.push(() => kms.close())
  return kms
}

/** Its base URL, and how often it was asked. */
async function serve(kms: Pick<TestKms, 'ask'>) {
  const asked: string[] = []
  const server: Server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const target = (request.url ?? '').replace(/^\/kms/, '')
    const headers = request.headers as Record<string, string>
    void kms.ask(target, { headers }).then(({ status, headers: sent, text }) => {
      response.writeHead(status, sent).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => new Promise((resolve) => server.close(() => resolve())))
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/kms`, asked }
}

function connect(options: OldKmsOptions): OldKms {
  const kms = new OldKms(options)
  closers.push(() => kms.close())
  return kms
}

async function importing(to: TestKms, options: OldKmsOptions, more: Partial<Importing> = {}) {
  const entries: unknown[] = []
  const audit = { append: async (entry: unknown) => ({ sequence: entries.push(entry), hash: '' }) }
  const user = { short: 'operator:alice', full: 'operator:alice' }
  const report = await importKeys(to.keys, kmsSource(connect(options)), {
    by: user.full,
    dryRun: false,
    names: undefined,
    trail: openAuditTrail(audit, to.clock, () => undefined),
    caller: { user, by: 'operator' },
    onProgress: () => undefined,
    ...more,
  })
  return { report, entries }
}

async function fill(kms: TestKms) {
  for (const name of ['a/b', 'ü +%&"', 'k1'])
    await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name, description: 'd' } })
  await kms.ask('/v1/key/k1', { method: 'POST', user: 'alice' })
}

describe('the keys of a running KMS', () => {
  it('come with everything, names of every kind too, and are audited one by one', async () => {
    const [old, ours] = [await start(), await start()]
    await fill(old)
    const { base, asked } = await serve(old)
    const { report, entries } = await importing(ours, { bases: [base], user: 'alice' })
    expect(report).toMatchObject({ imported: 3, failed: 0, versions: 4 })
    expect(entries).toHaveLength(6)
    for (const path of ['/v1/keys/metadata?key=a/b&key=k1', '/v1/key/k1/_versions'])
      expect((await ours.ask(path, { user: 'alice' })).json).toEqual(
        (await old.ask(path, { user: 'alice' })).json,
      )
    // The name in the query is needed once: then the cookie speaks.
    expect(asked.filter((url) => url.includes('user.name'))).toHaveLength(1)
    const again = await importing(ours, { bases: [base], user: 'alice' })
    expect(again.report).toMatchObject({ present: 3, imported: 0 })
  })

  it('are read in a dry run and written nowhere', async () => {
    const [old, ours] = [await start(), await start()]
    await fill(old)
    const { base } = await serve(old)
    const { report, entries } = await importing(
      ours,
      { bases: [base], user: 'alice' },
      { dryRun: true },
    )
    expect([report.imported, entries.length, ours.vault.rows.size]).toEqual([3, 0, 0])
  })

  it('fail one by one, in the words of the KMS', async () => {
    const [old, ours] = [await start({ api: { exportMaterial: false } }), await start()]
    await fill(old)
    const { base } = await serve(old)
    const { report } = await importing(
      ours,
      { bases: [base], user: 'alice' },
      { names: ['k1', 'none'] },
    )
    expect(report.failed).toBe(2)
    expect(report.keys[0]?.reason).toMatch(/403.*key material does not leave/)
    expect(report.keys[1]?.reason).toMatch(/no key none/)
    expect(ours.vault.rows.size).toBe(0)
  })

  it('are not imported when the audit cannot be written', async () => {
    const [old, ours] = [await start(), await start()]
    await fill(old)
    const { base } = await serve(old)
    const trail = {
      intend: () => Promise.reject(new Error('the disk is full')),
      record: () => Promise.resolve(),
    }
    await expect(importing(ours, { bases: [base], user: 'alice' }, { trail })).rejects.toThrow(
      /full/,
    )
    expect(ours.vault.rows.size).toBe(0)
  })
})

describe('an old KMS', () => {
  it('is asked at its next instance when one is gone, and again when its cookie has ended', async () => {
    const old = await start()
    await fill(old)
    const { base } = await serve(old)
    let cookies = 0
    const cookieFor = async () => {
      cookies += 1
      if (cookies === 1) return '"u=alice&p=alice&t=simple-dt&e=1&s=AAAA"'
      const { headers } = await old.ask('/v1/keys/names', { user: 'alice' })
      return /hadoop\.auth=("[^"]+")/.exec(String(headers['set-cookie']))?.[1] ?? ''
    }
    const kms = connect({ bases: ['http://127.0.0.1:1/kms', base], cookieFor })
    // One for the dead instance, too: it is asked for a cookie first.
    expect(await kms.get('/keys/names')).toHaveLength(3)
    await expect(connect({ bases: [base] }).get('/keys/names')).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
    await expect(
      connect({ bases: ['http://127.0.0.1:1/kms'], user: 'a' }).get('/keys/names'),
    ).rejects.toThrow(/ECONNREFUSED/)
  })

  it('that answers nonsense is not believed', async () => {
    for (const answer of ['text', [1], { name: 'k' }]) {
      const kms = { get: async () => answer, close: () => undefined }
      await expect(kmsSource(kms).names()).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
    }
    const described = {
      name: 'k',
      cipher: 'AES/CTR/NoPadding',
      length: 128,
      created: 5,
      versions: 1,
    }
    const versions = [{ versionName: 'k@1', material: 'AAAAAAAAAAAAAAAAAAAAAA' }]
    const strange = {
      get: async (path: string) => (path.endsWith('_metadata') ? described : versions),
      close: () => undefined,
    }
    await expect(kmsSource(strange).read('k')).rejects.toThrow(/version 0 of k/)
    versions[0] = { versionName: 'k@0', material: 'AAAA' }
    await expect(kmsSource(strange).read('k')).rejects.toThrow(/has not 128 bits/)
  })
})

describe('a provider URI', () => {
  it('names every instance', () => {
    expect(parseKmsUri('kms://https@h1;h2:9600/kms', '--from-kms')).toEqual([
      'https://h1:9600/kms',
      'https://h2:9600/kms',
    ])
    for (const bad of ['https://h/kms', 'kms://ftp@h/kms', 'kms://http@', 'kms://http@h:99999/kms'])
      expect(() => parseKmsUri(bad, '--from-kms')).toThrow(/must be an address/)
  })
})
