import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encryptPrivateKey, makeSelfSigned } from '@keyhsm/service'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { changeKeystorePassword, ensureKeystore, readKeystore } from '../src/keystore.js'
import { replacePassword } from '../src/keystore-password.js'
import { activateNext, prepareRenewal, readNext } from '../src/certificates/next-certificate.js'
import { exportTruststore } from '../src/trust/export-truststore.js'
import { makeClientCertificate, trust } from './home.js'
import { pathsIn } from '../src/paths.js'

vi.setConfig({ testTimeout: 20_000 })

const hasKeytool = spawnSync('keytool', ['-help']).error === undefined

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'khs-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function makeKeystore() {
  const folder = await makeFolder()
  const { keystore } = await ensureKeystore(folder, '127.0.0.1', {})
  return { folder, keystore }
}

function keytoolList(file: string, password: string): string {
  return execFileSync('keytool', ['-list', '-keystore', file, '-storepass:env', 'PASS'], {
    env: { ...process.env, PASS: password },
    stdio: ['ignore', 'pipe', 'ignore'],
  }).toString()
}

function opensslCertificates(file: string, password: string): string {
  const order = ['pkcs12', '-in', file, '-nokeys', '-passin', 'stdin']
  return execFileSync('openssl', order, {
    input: `${password}\n`,
    stdio: ['pipe', 'pipe', 'ignore'],
  }).toString()
}

describe('the keystore', () => {
  it('has a strong random password in a file of its own, and stays when it is there', async () => {
    const { folder, keystore } = await makeKeystore()
    expect(keystore.passphrase).toMatch(/^[\w-]{43}$/)
    for (const name of ['keyhsm.p12', 'password']) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    }
    const again = await ensureKeystore(folder, '127.0.0.1', {})
    expect(again).toEqual({ keystore, made: false })
    const key = createPrivateKey({ key: keystore.key, passphrase: keystore.passphrase })
    expect(new X509Certificate(keystore.certificate).checkPrivateKey(key)).toBe(true)
    expect(await readFile(join(folder, 'keyhsm.pem'), 'utf8')).toBe(keystore.certificate)
  })

  it('is read by openssl, and so is the truststore beside it', async () => {
    const paths = pathsIn(await makeFolder())
    const { keystore } = await ensureKeystore(paths.keystore, '127.0.0.1', {})
    const client = await makeClientCertificate()
    await trust({ root: '', tokenDirectory: '', paths }, client.certificate)
    expect(await exportTruststore(paths, {})).toBe(true)
    const files = ['keyhsm.p12', 'truststore.p12'].map((name) => join(paths.keystore, name))
    const found = files.map((file) => opensslCertificates(file, keystore.passphrase))
    expect(found.map((pem) => new X509Certificate(pem).fingerprint256)).toEqual(
      [keystore.certificate, client.certificate].map((p) => new X509Certificate(p).fingerprint256),
    )
  })

  it.skipIf(!hasKeytool)('is read by keytool (needs keytool)', async () => {
    const paths = pathsIn(await makeFolder())
    const { keystore } = await ensureKeystore(paths.keystore, '127.0.0.1', {})
    await trust(
      { root: '', tokenDirectory: '', paths },
      (await makeClientCertificate()).certificate,
    )
    await exportTruststore(paths, {})
    const list = (name: string) => keytoolList(join(paths.keystore, name), keystore.passphrase)
    expect(list('keyhsm.p12')).toMatch(/keyhsm, .*PrivateKeyEntry/)
    expect(list('truststore.p12')).toMatch(/prod-[0-9a-f]{16}, .*trustedCertEntry/)
  })

  it.skipIf(!hasKeytool)('takes over what keytool replaced (needs keytool)', async () => {
    const { folder, keystore } = await makeKeystore()
    const file = join(folder, 'keyhsm.p12')
    const make = '-genkeypair -alias keyhsm -keyalg EC -dname CN=byhand -storetype PKCS12'.split(
      ' ',
    )
    await rm(file)
    execFileSync('keytool', [...make, '-keystore', file, '-storepass:env', 'PASS'], {
      env: { ...process.env, PASS: keystore.passphrase },
      stdio: 'ignore',
    })
    await chmod(file, 0o600)
    const { keystore: found } = await ensureKeystore(folder, '127.0.0.1', {})
    expect(new X509Certificate(found.certificate).subject).toBe('CN=byhand')
    expect(await readFile(join(folder, 'keyhsm.pem'), 'utf8')).toBe(found.certificate)
  })

  it('is refused when others can read it, a part is missing or it was changed', async () => {
    const { folder } = await makeKeystore()
    const file = join(folder, 'keyhsm.p12')
    const password = join(folder, 'password')
    await chmod(password, 0o644)
    await expect(readKeystore(folder, {})).rejects.toThrow(/can be read by other users/)
    await chmod(password, 0o600)
    await chmod(file, 0o640)
    await expect(readKeystore(folder, {})).rejects.toThrow(/can be read by other users/)
    await chmod(file, 0o600)
    const bytes = await readFile(file)
    await writeFile(file, bytes.subarray(0, -1))
    await expect(readKeystore(folder, {})).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: expect.stringMatching(/does not open/),
    })
    await writeFile(file, bytes)
    await writeFile(password, 'marked-wrong-1\n')
    await expect(readKeystore(folder, {})).rejects.toThrow(/does not open/)
    await rm(password)
    await expect(readKeystore(folder, {})).rejects.toThrow(/password of the keystore is not known/)
  })

  it('takes its password from a systemd credential, which setup cannot change', async () => {
    const { folder, keystore } = await makeKeystore()
    const credentials = await makeFolder()
    await rm(join(folder, 'password'))
    await writeFile(join(credentials, 'keyhsm-keystore-password'), `${keystore.passphrase}\n`)
    const env = { CREDENTIALS_DIRECTORY: credentials }
    expect((await readKeystore(folder, env))?.passphrase).toBe(keystore.passphrase)
    const change = changeKeystorePassword(folder, { env, password: 'marked-new-1' })
    await expect(change).rejects.toThrow(/comes from the systemd credential/)
  })

  it('takes its password from whoever starts it, where nothing else holds it', async () => {
    const { folder, keystore } = await makeKeystore()
    await rm(join(folder, 'password'))
    const env = { KEYHSM_KEYSTORE_PASSWORD: keystore.passphrase }
    expect((await readKeystore(folder, env))?.passphrase).toBe(keystore.passphrase)
    // Renewing makes no file of it either.
    const paths = { keystore: folder, keystoreNext: join(folder, 'next') }
    await prepareRenewal(paths, '127.0.0.1', env)
    // The running service knows the password of the present one alone.
    expect(await readNext(paths, keystore, {})).toMatchObject({ passphrase: keystore.passphrase })
    await activateNext(paths, env)
    expect((await readKeystore(folder, env))?.passphrase).toBe(keystore.passphrase)
    expect(await readdir(folder)).not.toContain('password')
  })

  it('of version 0.1 is read as it is, and replaced by the next setup', async () => {
    const folder = await makeFolder()
    const names = { commonName: 'old', subjectAltNames: ['localhost'], days: 2 } as const
    const { certificate, privateKey } = await makeSelfSigned({ ...names, usage: 'server' })
    await writeFile(join(folder, 'keyhsm.pem'), certificate)
    const key = encryptPrivateKey(privateKey, 'marked-old')
    await writeFile(join(folder, 'keyhsm-key.pem'), key, { mode: 0o600 })
    await writeFile(join(folder, 'password'), 'marked-old\n', { mode: 0o600 })
    expect(await readKeystore(folder, {})).toEqual({ certificate, key, passphrase: 'marked-old' })
    await ensureKeystore(folder, '127.0.0.1', {})
    expect((await readdir(folder)).sort()).toEqual(['keyhsm.p12', 'keyhsm.pem', 'password'])
    const found = await readKeystore(folder, {})
    expect(new X509Certificate(found?.certificate ?? '').subject).toBe('CN=old')
    const opened = createPrivateKey({ key: found?.key ?? '', passphrase: 'marked-old' })
    expect(opened.equals(createPrivateKey(privateKey))).toBe(true)
  })
})

describe('the password of the keystore', () => {
  it('is replaced, the key staying what it was', async () => {
    const { folder, keystore } = await makeKeystore()
    await changeKeystorePassword(folder, { env: {}, password: 'marked-pass-6' })
    const found = await readKeystore(folder, {})
    expect(found).toMatchObject({ certificate: keystore.certificate, passphrase: 'marked-pass-6' })
    expect(opensslCertificates(join(folder, 'keyhsm.p12'), 'marked-pass-6')).toContain('BEGIN CERT')
  })

  it.each(['short', 'two\nlines'])('is refused when it is %j', async (password) => {
    const { folder, keystore } = await makeKeystore()
    const change = changeKeystorePassword(folder, { env: {}, password })
    await expect(change).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    expect((await readKeystore(folder, {}))?.passphrase).toBe(keystore.passphrase)
  })

  it('leaves a keystore that opens wherever a change is cut off', async () => {
    const { folder, keystore } = await makeKeystore()
    const crash = () => Promise.reject(new Error('crash'))
    const before = replacePassword(folder, { env: {}, password: 'marked-next' }, crash)
    await expect(before).rejects.toThrow('crash')
    expect((await readKeystore(folder, {}))?.passphrase).toBe(keystore.passphrase)
    const changed = await makeFolder()
    await cp(folder, changed, { recursive: true })
    await changeKeystorePassword(changed, { env: {}, password: 'marked-next' })
    await cp(join(changed, 'keyhsm.p12'), join(folder, 'keyhsm.p12'))
    expect((await readKeystore(folder, {}))?.passphrase).toBe('marked-next')
  })
})
