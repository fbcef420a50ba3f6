import { execFileSync } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseRealm, systemClock } from '@keyhsm/core'
import { makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { describe, expect, it } from 'vitest'
import { addTrusted, readTrustList, removeTrusted } from '../../src/trust/trust-list.js'
import { isServerCertificate, parseCandidate } from '../../src/trust/trusted-certificate.js'
import { makeRoot } from '../home.js'

const realm = parseRealm('prod')
const now = systemClock.now()

async function make(usage: 'client' | 'server' | 'server-and-client' = 'client', at = now) {
  const options = { commonName: 'kts', subjectAltNames: [], days: 10, usage, now: at }
  return (await makeSelfSigned(options)).certificate
}

/** A certificate by openssl, as an operator would make it. */
async function makeByOpenssl(...options: string[]): Promise<string> {
  const { root } = await makeRoot()
  const [key, cert] = [join(root, 'key.pem'), join(root, 'cert.pem')]
  const common = ['req', '-x509', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=kts']
  execFileSync('openssl', [...common, '-days', '5', ...options], { stdio: 'ignore' })
  return await readFile(cert, 'utf8')
}

describe('a certificate to be trusted', () => {
  it('is taken with its realm, and read back the same', async () => {
    const { paths } = await makeRoot()
    const candidate = parseCandidate(await make(), realm, now)
    expect(await addTrusted(paths.truststore, candidate)).toBe(true)
    expect(await addTrusted(paths.truststore, { ...candidate, trustedAt: new Date() })).toBe(false)
    const list = await readTrustList(paths.truststore)
    expect(list.realms).toEqual(['prod'])
    expect(list.find(candidate.publicKey)).toMatchObject({
      fingerprint: candidate.fingerprint,
      realm,
      trustedAt: now,
    })
    const file = join(paths.truststore, `${candidate.fingerprint}.pem`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const seen = execFileSync('openssl', ['x509', '-in', file, '-noout', '-fingerprint', '-sha256'])
    const text = seen.toString().split('=')[1]?.trim().replaceAll(':', '').toLowerCase()
    expect(text).toBe(candidate.fingerprint)
  })

  it('is refused when it is an authority, also the self-signed kind that openssl makes by default', async () => {
    const { certificate } = await makeAuthority({ commonName: 'ca', days: 1 })
    for (const pem of [certificate, await makeByOpenssl('-newkey', 'rsa:2048')]) {
      expect(() => parseCandidate(pem, realm, now)).toThrow(/must not be a CA certificate/)
    }
  })

  it('is refused when it is out of its time, for servers only, weak, or not one', async () => {
    const past = new Date(now.getTime() - 20 * 86400e3)
    const future = new Date(now.getTime() + 20 * 86400e3)
    const one = await make()
    const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE']
    const cases = [
      [await make('client', past), /must be valid now/],
      [await make('client', future), /must be valid now/],
      [await make('server'), /lacks clientAuth/],
      [await makeByOpenssl('-newkey', 'rsa:1024', ...leaf), /at least 2048 bits/],
      [one + one, /must hold one certificate/],
      ['nothing', /certificate in PEM form/],
    ] as const
    const at = new Date(now.getTime() + 60_000)
    for (const [pem, rule] of cases) expect(() => parseCandidate(pem, realm, at)).toThrow(rule)
  })

  it('may be a server’s too, which is noticed', async () => {
    const both = parseCandidate(await make('server-and-client'), realm, now)
    expect(isServerCertificate(both.certificate)).toBe(true)
    const client = parseCandidate(await make(), realm, now)
    expect(isServerCertificate(client.certificate)).toBe(false)
  })
})

describe('the trust list', () => {
  it('lets one key speak for one realm', async () => {
    const { paths } = await makeRoot()
    const candidate = parseCandidate(await make(), realm, now)
    await addTrusted(paths.truststore, candidate)
    await addTrusted(paths.truststore, { ...candidate, realm: parseRealm('other') })
    expect((await readTrustList(paths.truststore)).realms).toEqual(['other'])
    const renewed = { ...candidate, fingerprint: 'a'.repeat(64) as typeof candidate.fingerprint }
    await expect(addTrusted(paths.truststore, renewed)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    })
  })

  it('forgets what is removed, and says when there was nothing', async () => {
    const { paths } = await makeRoot()
    const candidate = parseCandidate(await make(), realm, now)
    await addTrusted(paths.truststore, candidate)
    await removeTrusted(paths.truststore, candidate.fingerprint)
    expect((await readTrustList(paths.truststore)).certificates).toEqual([])
    await expect(removeTrusted(paths.truststore, candidate.fingerprint)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
  })

  it('names a damaged file instead of trusting less or more', async () => {
    const { paths } = await makeRoot()
    const candidate = parseCandidate(await make(), realm, now)
    await addTrusted(paths.truststore, candidate)
    const file = join(paths.truststore, `${candidate.fingerprint}.pem`)
    for (const damage of [(text: string) => text.replace(/^realm.*\n/, ''), () => 'realm: x\n']) {
      await writeFile(file, damage(await readFile(file, 'utf8')))
      await expect(readTrustList(paths.truststore)).rejects.toThrow(/\.pem is damaged/)
    }
  })
})
