import { spawn, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KeyHsmClient, Transport } from '@keyhsm/client'
import { parseRealm, systemClock } from '@keyhsm/core'
import { keyHsmCertificatesRoute, keyHsmStatusRoute, reloadRoute } from '@keyhsm/protocol'
import {
  certificateFingerprint,
  expiryWarnings,
  makeAuthority,
  makeSelfSigned,
} from '@keyhsm/service'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { careOfKeyHsm } from '../../src/care.js'
import {
  activateNext,
  prepareRenewal,
  prepareReplacement,
} from '../../src/certificates/next-certificate.js'
import { withService } from '../../src/commands/with-service.js'
import { readKeystore } from '../../src/keystore.js'
import { TrustList } from '../../src/trust/trust-list.js'
import { parseCandidate } from '../../src/trust/trusted-certificate.js'
import {
  connectClient,
  makeClientCertificate,
  makeHome,
  startService,
  type TestHome,
  trust,
} from '../home.js'

vi.setConfig({ testTimeout: 60_000 })

const dayMs = 86_400_000
const hasFaketime = spawnSync('faketime', ['--version']).status === 0

function fingerprintOf(pem: string): string {
  return certificateFingerprint(new X509Certificate(pem))
}

async function current({ paths }: TestHome): Promise<string> {
  return fingerprintOf((await readKeystore(paths.keystore, {}))?.certificate ?? '')
}

describe('a new certificate', () => {
  it('is announced, waits for those who are trusted, and then takes the place without a refused request', async () => {
    const home = await makeHome()
    const client = await makeClientCertificate()
    await trust(home, client.certificate)
    const service = await startService(home)
    const trustee = await connectClient(home, service, client)
    const before = await current(home)
    const ask = () => withService(home.paths, (admin) => admin.call(keyHsmCertificatesRoute, {}))
    const reload = () => withService(home.paths, (admin) => admin.call(reloadRoute, {}))
    const old = await trustee.describe()
    expect(old).toMatchObject({ certificateFingerprint: before })
    expect(old.nextCertificate).toBeUndefined()
    const next = (await prepareRenewal(home.paths, '127.0.0.1', {})).certificate
    expect((await prepareRenewal(home.paths, '127.0.0.1', {})).certificate).toBe(next)
    await reload()
    const waiting = await ask()
    expect(waiting.certificates.map(({ role }) => role)).toEqual(['current', 'next'])
    expect(waiting.waitingFor).toMatchObject([{ realm: 'prod' }])
    expect((await trustee.describe(undefined, [before])).nextCertificate).toBe(next)
    expect((await ask()).waitingFor).toHaveLength(1)
    await trustee.describe(undefined, [before, fingerprintOf(next)])
    expect((await ask()).waitingFor).toEqual([])
    // Whoever accepts both is served before and after, also on connections made anew.
    const both = () => {
      const { host, port } = service.address
      const tls = { ca: [oldPem, next], cert: client.certificate, key: client.privateKey }
      return new Transport({ url: `https://${host}:${port}`, tls })
    }
    const oldPem = (await readKeystore(home.paths.keystore, {}))?.certificate ?? ''
    await activateNext(home.paths, {})
    await reload()
    expect((await trustee.describe()).certificateFingerprint).toBe(fingerprintOf(next))
    const fresh = both()
    onTestFinished(() => fresh.close())
    expect(await current(home)).toBe(fingerprintOf(next))
    expect((await ask()).certificates).toHaveLength(1)
    const seen = await new KeyHsmClient(fresh).describe()
    expect(seen.certificateFingerprint).toBe(fingerprintOf(next))
  })

  it('of an authority must be a pair in its time', async () => {
    const home = await makeHome()
    const now = systemClock.now()
    const pair = await makeSelfSigned({
      commonName: 'hsm',
      subjectAltNames: [],
      days: 5,
      usage: 'server',
    })
    const other = await makeSelfSigned({
      commonName: 'hsm',
      subjectAltNames: [],
      days: 5,
      usage: 'server',
    })
    const authority = await makeAuthority({ commonName: 'ca', days: 5 })
    const given = { certificate: pair.certificate, key: pair.privateKey, now }
    const replace = (more: Partial<typeof given>) =>
      prepareReplacement(home.paths, { ...given, ...more }, {})
    await expect(replace({ key: other.privateKey })).rejects.toThrow(/--key does not belong/)
    await expect(replace({ key: 'x' })).rejects.toThrow(/--key must be a private key/)
    await expect(replace({ certificate: authority.certificate })).rejects.toThrow(/no CA’s/)
    await expect(replace({ now: new Date(now.getTime() + 9 * dayMs) })).rejects.toThrow(/valid now/)
    await expect(activateNext(home.paths, {})).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    await replace({})
    await activateNext(home.paths, {})
    expect(await current(home)).toBe(fingerprintOf(pair.certificate))
  })
})

describe('expiry', () => {
  const days = async (own: number, trusted: number) => {
    const usage = { commonName: 'kts', subjectAltNames: [] }
    const { certificate } = await makeSelfSigned({ ...usage, days: own, usage: 'server' })
    const client = await makeSelfSigned({ ...usage, days: trusted, usage: 'client' })
    const candidate = parseCandidate(client.certificate, parseRealm('prod'), systemClock.now())
    return { keystore: { certificate, key: '', passphrase: '' }, trust: new TrustList([candidate]) }
  }

  it('of its own certificate and of those it trusts is said, with the command that cures it', async () => {
    const live = await days(100, 400)
    const care = careOfKeyHsm({
      clock: systemClock,
      paths: { audit: '/nowhere' },
      live: () => live,
      logFiles: () => [],
    })
    const at = (day: number) =>
      expiryWarnings(care.certificates(), new Date(Date.now() + day * dayMs)).map(
        ({ text }) => text,
      )
    expect(at(30)).toEqual([])
    expect(at(41)).toEqual([
      expect.stringMatching(
        /^Key HSM’s own certificate expires in 58 days, .*run keyhsm cert renew$/,
      ),
    ])
    expect(at(350)).toEqual([
      expect.stringMatching(/own certificate expired on .*connections are refused/),
      expect.stringMatching(
        /^the trusted certificate of CN=kts \(realm prod\) .*keyhsm trust NEW-CERT/,
      ),
    ])
  })

  it.skipIf(!hasFaketime)(
    'refuses a pinned certificate that has expired, and names the cure (needs faketime)',
    async () => {
      const home = await makeHome()
      const client = await makeClientCertificate()
      await trust(home, client.certificate)
      const service = await startService(home)
      const certificate = (await readKeystore(home.paths.keystore, {}))?.certificate ?? ''
      const { host, port } = service.address
      const script = join(home.root, 'ask.mjs')
      const library = new URL('../../../../packages/client/dist/index.js', import.meta.url).href
      writeFileSync(
        script,
        `import { KeyHsmClient, Transport } from ${JSON.stringify(library)}
const tls = ${JSON.stringify({ ca: [certificate], cert: client.certificate, key: client.privateKey })}
const calls = new KeyHsmClient(new Transport({ url: 'https://${host}:${port}', tls }))
await calls.describe().then(() => console.log('served'), (e) => console.log(e.message, ...e.hints))
process.exit()`,
      )
      const ask = (...before: string[]) =>
        new Promise<string>((resolve) => {
          const child = spawn('env', [...before, process.execPath, script])
          let text = ''
          child.stdout.on('data', (chunk: Buffer) => {
            text += chunk.toString()
          })
          child.on('close', () => resolve(text))
        })
      expect(await ask()).toBe('served\n')
      const late = await ask('faketime', '+4000 days')
      expect(late).toMatch(/it has expired/)
      expect(late).toMatch(/keyhsm cert renew.*ktadmin keyhsm --server URL --trust/)
      const status = await withService(home.paths, (admin) => admin.call(keyHsmStatusRoute, {}))
      expect(status.warnings.join()).toMatch(
        /the trusted certificate of CN=trustee .*expires in 0 days/,
      )
    },
  )
})
