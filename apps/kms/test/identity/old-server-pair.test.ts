/** Keystores of an old KMS: one that is kept as a vector, and those that `keytool` makes now. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readOldServerPair } from '../../src/identity/old-server-pair.js'
import { xml } from '../support/test-kms.js'

const vector = readFileSync(join(import.meta.dirname, '../keystore/vectors/server.jks'))
const password = 'of the keystore'
const keyPassword = 'of the key'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'old-pair-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** `ssl-server.xml` with these of its names. */
const sslServer = (values: Readonly<Record<string, string>>) =>
  xml(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [`ssl.server.keystore.${name}`, value]),
    ),
  )
const read = (values: Readonly<Record<string, string>>, more: object = {}) =>
  readOldServerPair({
    sslServer: sslServer(values),
    keystore: undefined,
    alias: undefined,
    env: { PLACE: folder },
    ...more,
  })
async function expectPair(pair: ReturnType<typeof read>, commonName: string, count = 1) {
  const { certificate, privateKey } = await pair
  const shown = new X509Certificate(certificate)
  expect(shown.subject).toBe(`CN=${commonName}`)
  expect(shown.checkPrivateKey(createPrivateKey(privateKey))).toBe(true)
  expect(certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(count)
}

describe('a keystore in JKS', () => {
  const opened = { password, keypassword: keyPassword }

  it('gives its private key with the certificate, and no trusted certificate', async () => {
    await expectPair(read(opened, { keystore: vector }), 'old.example.com')
    await expectPair(read(opened, { keystore: vector, alias: 'kms' }), 'old.example.com')
  })

  it('is refused where a password is another one, or anything was changed', async () => {
    const refused = { code: 'ERR_NOT_AUTHENTICATED' }
    const wrong = read({ ...opened, password: 'x' }, { keystore: vector })
    await expect(wrong).rejects.toMatchObject(refused)
    await expect(read({ password }, { keystore: vector })).rejects.toMatchObject({
      message: 'the key of kms has another password',
    })
    for (const at of [4, 11, 30, vector.length - 1]) {
      const changed = Buffer.from(vector)
      changed[at] = (changed[at] ?? 0) ^ 1
      await expect(read(opened, { keystore: changed })).rejects.toMatchObject(refused)
    }
    await expect(read(opened, { keystore: vector.subarray(0, 20) })).rejects.toMatchObject({
      code: 'ERR_INTEGRITY',
    })
  })

  it('names what it has where the alias is another one', async () => {
    await expect(read(opened, { keystore: vector, alias: 'x' })).rejects.toThrow(/has: kms$/)
  })
})

describe('ssl-server.xml', () => {
  it('must say the password, and where the keystore is that can be read', async () => {
    await expect(read({ location: '/nowhere' })).rejects.toThrow(/no ssl.server.keystore.password/)
    await expect(read({ password })).rejects.toThrow(/no ssl.server.keystore.location/)
    await expect(read({ password, location: '/nowhere' })).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      hints: ['give the keystore: --keystore F'],
    })
    await expect(read({ password }, { sslServer: '<configuration>' })).rejects.toThrow(
      /ssl-server\.xml:1/,
    )
  })
})

describe.each(['JKS', 'PKCS12'])('a %s keystore that keytool makes (needs keytool)', (type) => {
  const hasKeytool = spawnSync('keytool', ['-help']).error === undefined
  const make = (alias: string, more: string) => {
    const dn = `CN=${alias}.example.com`
    const command = `keytool -genkeypair -alias ${alias} -dname ${dn} -keyalg RSA -keysize 2048 -storetype ${type} -storepass "$PASSWORD" -keystore ${join(folder, type)} ${more}`
    const env = { ...process.env, PASSWORD: password, KEY_PASSWORD: keyPassword }
    execFileSync('sh', ['-c', command], { stdio: 'ignore', env })
  }

  it.runIf(hasKeytool)(
    'is found where the file says, also by a variable (needs keytool)',
    async () => {
      make('one', '-keypass "$PASSWORD"')
      const location = `\${env.PLACE}/${type}`
      await expectPair(read({ location, password }), 'one.example.com')
      // One of several may have a password of its own, in JKS.
      const own = type === 'JKS' ? keyPassword : password
      const ownOption = type === 'JKS' ? '"$KEY_PASSWORD"' : '"$PASSWORD"'
      make('two', `-signer one -signerkeypass "$PASSWORD" -keypass ${ownOption}`)
      await expect(read({ location, password })).rejects.toMatchObject({
        message: expect.stringMatching(/the keystore has: (one, two|two, one)$/),
        hints: ['say which one: --alias A'],
      })
      const two = read({ location, password, keypassword: own }, { alias: 'TWO' })
      await expectPair(two, 'two.example.com', 2)
    },
  )
})
