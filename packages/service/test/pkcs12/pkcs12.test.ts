import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  issueClientCertificate,
  type KeyedCertificate,
  makeAuthority,
  makeSelfSigned,
} from '../../src/certificates.js'
import { formatPkcs12 } from '../../src/pkcs12/format-pkcs12.js'
import { parsePkcs12 } from '../../src/pkcs12/parse-pkcs12.js'

const password = 'marked-päss-5512'
const asciiPassword = 'marked-pass-5512'
const hasTool = (name: string) => spawnSync(name, ['-help']).error === undefined
const hasKeytool = hasTool('keytool')

let folder: string
let ec: KeyedCertificate
let rsa: KeyedCertificate

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'p12-'))
  const names = { commonName: 'keyhsm', subjectAltNames: ['localhost'], days: 2 } as const
  ec = await makeSelfSigned({ ...names, usage: 'server' })
  rsa = await makeSelfSigned({ ...names, usage: 'server', kind: 'rsa-2048' })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const entryOf = (alias: string, { certificate, privateKey }: KeyedCertificate) => ({
  alias,
  certificate,
  privateKey,
})
const fingerprintOf = (pem: string | undefined) => new X509Certificate(pem ?? '').fingerprint256

function publicHalf(pem: string, passphrase?: string): string {
  const key = createPrivateKey({ key: pem, ...(passphrase === undefined ? {} : { passphrase }) })
  return key.export({ type: 'pkcs8', format: 'der' }).toString('hex')
}

describe('a PKCS#12 file of ours', () => {
  it('comes back as it went in, the key encrypted', async () => {
    const trusted = [{ alias: 'prod', certificate: rsa.certificate }]
    const keys = [entryOf('keyhsm', ec), entryOf('other', rsa)]
    const content = await parsePkcs12(await formatPkcs12({ keys, trusted }, password), password)
    expect(content.keys.map(({ alias }) => alias)).toEqual(['keyhsm', 'other'])
    for (const [index, given] of [ec, rsa].entries()) {
      const found = content.keys[index]
      expect(fingerprintOf(found?.certificate)).toBe(fingerprintOf(given.certificate))
      const key = found?.key ?? ''
      expect(() => createPrivateKey(key)).toThrow()
      expect(publicHalf(key, password)).toBe(publicHalf(given.privateKey))
    }
    expect(content.trusted.map(({ alias }) => alias)).toEqual(['prod'])
    expect(fingerprintOf(content.trusted[0]?.certificate)).toBe(fingerprintOf(rsa.certificate))
  })

  it('takes a key that is encrypted already, and keeps its chain in order', async () => {
    const authority = await makeAuthority({ commonName: 'root', days: 2 })
    const key = createPrivateKey(rsa.privateKey)
    const publicKeyDer = new X509Certificate(rsa.certificate).publicKey.export({
      type: 'spki',
      format: 'der',
    })
    const issue = { authority, publicKeyDer, commonName: 'keyhsm', days: 1 }
    const certificate = await issueClientCertificate(issue)
    const privateKey = key.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'old',
    }) as string
    const entry = { alias: 'a', certificate, privateKey, passphrase: 'old' }
    const file = await formatPkcs12(
      { keys: [{ ...entry, chain: [authority.certificate] }] },
      password,
    )
    const [found] = (await parsePkcs12(file, password)).keys
    expect(found?.chain.map(fingerprintOf)).toEqual([fingerprintOf(authority.certificate)])
    expect(publicHalf(found?.key ?? '', password)).toBe(publicHalf(rsa.privateKey))
  })

  it('is read by openssl: certificate and key', async () => {
    const path = join(folder, 'ours.p12')
    await writeFile(path, await formatPkcs12({ keys: [entryOf('keyhsm', ec)] }, asciiPassword))
    const read = (...order: string[]) =>
      execFileSync('openssl', ['pkcs12', '-in', path, '-passin', 'stdin', ...order], {
        input: `${asciiPassword}\n`,
        stdio: ['pipe', 'pipe', 'ignore'],
      }).toString()
    expect(fingerprintOf(read('-nokeys'))).toBe(fingerprintOf(ec.certificate))
    expect(publicHalf(read('-nocerts', '-nodes'))).toBe(publicHalf(ec.privateKey))
  })

  it.skipIf(!hasKeytool)('is read by keytool (needs keytool)', async () => {
    const path = join(folder, 'keytool.p12')
    const trusted = [{ alias: 'prod', certificate: rsa.certificate }]
    await writeFile(
      path,
      await formatPkcs12({ keys: [entryOf('keyhsm', ec)], trusted }, asciiPassword),
    )
    const listed = execFileSync('keytool', ['-list', '-keystore', path, '-storepass:env', 'PASS'], {
      env: { ...process.env, PASS: asciiPassword },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString()
    expect(listed).toMatch(/keyhsm, .*PrivateKeyEntry/)
    expect(listed).toMatch(/prod, .*trustedCertEntry/)
    expect(listed).toContain(fingerprintOf(ec.certificate))
    expect(listed).toContain(fingerprintOf(rsa.certificate))
  })
})

describe('a PKCS#12 file of another program', () => {
  it.each([
    ['sha1', asciiPassword],
    ['sha256', password],
    ['sha384', asciiPassword],
    ['sha512', asciiPassword],
  ])('is read when openssl made it, sealed with %s', async (hash, secret) => {
    const key = join(folder, 'k.pem')
    await writeFile(key, rsa.privateKey + rsa.certificate, { mode: 0o600 })
    const order = ['pkcs12', '-export', '-in', key, '-macalg', hash, '-passout', 'stdin']
    const bytes = execFileSync('openssl', order, {
      input: `${secret}\n`,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const { keys } = await parsePkcs12(bytes, secret)
    expect(publicHalf(keys[0]?.key ?? '', secret)).toBe(publicHalf(rsa.privateKey))
  })

  it.skipIf(!hasKeytool)('is read when keytool made it (needs keytool)', async () => {
    const path = join(folder, 'made.p12')
    const order = '-genkeypair -alias mine -keyalg EC -dname CN=java -storetype PKCS12'.split(' ')
    execFileSync('keytool', [...order, '-keystore', path, '-storepass:env', 'PASS'], {
      env: { ...process.env, PASS: asciiPassword },
      stdio: 'ignore',
    })
    const { keys } = await parsePkcs12(await readFile(path), asciiPassword)
    expect(keys[0]?.alias).toBe('mine')
    expect(new X509Certificate(keys[0]?.certificate ?? '').subject).toBe('CN=java')
  })

  it.each([
    ['text', Buffer.from('no file at all'), /is no PKCS#12 file/],
    ['nothing', Buffer.alloc(0), /is no PKCS#12 file/],
  ])('is refused when it is %s', async (_name, bytes, message) => {
    await expect(parsePkcs12(bytes, password)).rejects.toThrow(message)
  })

  it('is refused with another password and after any change, without a word of either', async () => {
    const file = await formatPkcs12({ keys: [entryOf('keyhsm', ec)] }, password)
    await expect(parsePkcs12(file, 'marked-wrong')).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
      message: 'the PKCS#12 file does not open with this password',
    })
    const changed = Buffer.from(file)
    changed[Math.floor(changed.length / 2)] = (changed[Math.floor(changed.length / 2)] ?? 0) ^ 1
    await expect(parsePkcs12(changed, password)).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
    await expect(parsePkcs12(file.subarray(0, -5), password)).rejects.toThrow(/PKCS#12/)
  })

  it('is refused when it is encrypted as before 2016', async () => {
    const key = join(folder, 'old.pem')
    await writeFile(key, rsa.privateKey + rsa.certificate, { mode: 0o600 })
    const old = ['-certpbe', 'PBE-SHA1-3DES', '-keypbe', 'PBE-SHA1-3DES', '-macalg', 'sha256']
    const order = ['pkcs12', '-export', '-in', key, ...old, '-passout', 'stdin']
    const bytes = execFileSync('openssl', order, {
      input: `${asciiPassword}\n`,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    await expect(parsePkcs12(bytes, asciiPassword)).rejects.toThrow(/encrypted in an old way/)
  })
})
