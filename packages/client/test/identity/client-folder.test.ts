import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseUuid } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeCertificateRequest } from '../../src/identity/certificate-request.js'
import {
  checkIssuedCertificate,
  findClientSettings,
  readLocalClient,
  writeLocalClient,
} from '../../src/identity/client-folder.js'
import { makeClientKeys, readClientKeys } from '../../src/identity/client-keys.js'
import type { ClientSettings } from '../../src/identity/client-settings.js'
import { createPrivateFile, writePrivateFile } from '../../src/identity/private-files.js'
import { makePair } from '../real-server.js'

let root: string
let folder: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'client-folder-'))
  folder = join(root, 'client')
})
afterEach(() => rmSync(root, { recursive: true }))

const settings: ClientSettings = {
  version: 1,
  server: 'https://127.0.0.1:11371',
  serverCertificates: 'PEM',
  organisationName: 'org',
  organisation: parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964ff'),
  clientName: 'host',
  client: parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964fe'),
  state: 'active',
}

describe('makeClientKeys', () => {
  it('makes three private keys once, in a private folder', async () => {
    const keys = await makeClientKeys(folder)
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    expect(readdirSync(folder).sort()).toEqual(['age.key', 'client.key', 'identity.key'])
    for (const name of readdirSync(folder))
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    expect(createPrivateKey(keys.tlsKey).asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(keys.identityKey.asymmetricKeyType).toBe('ed25519')
    expect(await keys.recipient()).toMatch(/^age1pq1/)
    const again = await makeClientKeys(folder)
    expect([again.tlsKey, again.ageIdentity]).toEqual([keys.tlsKey, keys.ageIdentity])
  })

  it('refuses a folder and files that are open to others', async () => {
    mkdirSync(folder, { mode: 0o755 })
    await expect(makeClientKeys(folder)).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
    chmodSync(folder, 0o700)
    await makeClientKeys(folder)
    chmodSync(join(folder, 'age.key'), 0o644)
    await expect(readClientKeys(folder)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      hints: [`run: chmod 600 ${join(folder, 'age.key')}`],
    })
  })

  it.each([
    ['client.key', 'nonsense'],
    ['identity.key', 'nonsense'],
    ['age.key', 'nonsense'],
    [
      'identity.key',
      generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ],
  ])('names a %s that is unusable', async (name, text) => {
    await makeClientKeys(folder)
    writeFileSync(join(folder, name), text)
    await expect(readClientKeys(folder)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: `the client's ${name} does not hold a usable key`,
    })
  })

  it('never replaces a key that is missing where content may depend on it', async () => {
    await makeClientKeys(folder)
    rmSync(join(folder, 'age.key'))
    await expect(readClientKeys(folder)).rejects.toThrow("the client's age.key is missing")
  })
})

describe('readLocalClient', () => {
  it('returns what was written', async () => {
    const keys = await makeClientKeys(folder)
    await writeLocalClient(folder, settings, 'CERT')
    const client = await readLocalClient(folder)
    expect(client).toMatchObject({ settings, certificate: 'CERT' })
    expect(client.tls).toEqual({ ca: ['PEM'], cert: 'CERT', key: keys.tlsKey })
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect(statSync(join(folder, 'client.json')).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, 'client.json'), 'utf8')).not.toContain('PRIVATE')
  })

  it('says what to do when nothing is registered, or an enrolment waits', async () => {
    expect(await findClientSettings(folder)).toBeUndefined()
    await expect(readLocalClient(folder)).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: 'this client is not registered',
    })
    await makeClientKeys(folder)
    await writeLocalClient(folder, { ...settings, state: 'waiting' })
    await expect(readLocalClient(folder)).rejects.toThrow(
      'registration of this client is not finished',
    )
  })

  it('names every fault of client.json', async () => {
    await makeClientKeys(folder)
    const broken = { ...settings, organisation: 'x', maxContentBytes: 0, extra: 1 }
    await writePrivateFile(join(folder, 'client.json'), JSON.stringify(broken))
    const error = await findClientSettings(folder).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'ERR_SETTINGS' })
    const fields = error.faults.map((fault: { field: string }) => fault.field)
    expect(fields).toEqual(
      expect.arrayContaining(['client.json.organisation', 'client.json.maxContentBytes']),
    )
    await writePrivateFile(join(folder, 'client.json'), '{')
    await expect(findClientSettings(folder)).rejects.toThrow('client.json is not JSON')
  })
})

describe('createPrivateFile', () => {
  it('keeps what is there', async () => {
    const path = join(root, 'file')
    expect(await createPrivateFile(path, 'first')).toBe(true)
    expect(await createPrivateFile(path, 'second')).toBe(false)
    expect(readFileSync(path, 'utf8')).toBe('first')
    expect(readdirSync(root)).toEqual(['file'])
  })

  it('leaves nothing behind when it fails', async () => {
    mkdirSync(join(root, 'taken'))
    await expect(writePrivateFile(join(root, 'taken'), 'x')).rejects.toMatchObject({
      code: 'EISDIR',
    })
    expect(readdirSync(root)).toEqual(['taken'])
  })
})

describe('checkIssuedCertificate', () => {
  it('accepts only a certificate for our key from the named authority', () => {
    const ca = makePair(root, 'test-ca')
    const leaf = makePair(root, 'leaf', 'test-ca')
    const other = makePair(root, 'other')
    expect(() => checkIssuedCertificate(leaf.cert, ca.cert, leaf.key)).not.toThrow()
    for (const [cert, authority, key] of [
      [leaf.cert, ca.cert, other.key],
      [leaf.cert, other.cert, leaf.key],
      [other.cert, ca.cert, other.key],
      ['nonsense', ca.cert, leaf.key],
    ] as const)
      expect(() => checkIssuedCertificate(cert, authority, key)).toThrow('does not fit')
  })
})

describe('makeCertificateRequest', () => {
  it('is a request that openssl verifies', async () => {
    const { tlsKey } = await makeClientKeys(folder)
    const pem = await makeCertificateRequest(tlsKey, 'host-1')
    const file = join(root, 'request.pem')
    writeFileSync(file, pem)
    const argv = ['req', '-verify', '-noout', '-subject', '-in', file]
    const { stdout, stderr } = spawnSync('openssl', argv, { encoding: 'utf8', timeout: 20_000 })
    expect(stdout).toContain('host-1')
    expect(stdout + stderr).toContain('verify OK')
  })
})
