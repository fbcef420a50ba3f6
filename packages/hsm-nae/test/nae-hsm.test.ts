/** What the contract does not ask: this appliance's states, settings, certificates and accidents. */
import { createSecretKey, randomBytes, X509Certificate } from 'node:crypto'
import type { DomainError } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { toKeyName } from '../src/keys/key-names.js'
import { connectSocket, fingerprintOf } from '../src/connection/connect-socket.js'
import { NaeLink } from '../src/connection/nae-link.js'
import { defaultDialect } from '../src/dialect/dialect.js'
import { cryptoRequest } from '../src/messages/crypto.js'
import { authRequest } from '../src/messages/session.js'
import { dataForms } from '../src/wire/data-element.js'
import { makeCertificate, type VersionState } from '../src/test-server/index.js'
import { newSpec, openHsm, openOn, startServer, wrapSample } from './support/open-hsm.js'
import { testUser } from './support/under-test.js'

test('a connection that breaks while a key is made leaves one key, whichever way it broke', async () => {
  const { server, hsm } = await openHsm()
  server.behaviour.cutsAnswersTo = 'KeyGenRequest'
  const spec = newSpec()
  const key = await hsm.createKey(spec)
  expect(key).toMatchObject(spec)
  server.behaviour.cutsAnswersTo = ''
  expect(await (await wrapSample(hsm, key)).opens()).toBe(true)
  expect(server.store.view(0).size).toBe(1)
})

test('a connection that breaks while a key is destroyed: it is looked for', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  server.behaviour.cutsAnswersTo = 'KeyDelRequest'
  expect(await hsm.destroyKey(key.id)).toBe('destroyed')
  expect(server.store.view(0).size).toBe(0)
})

test('kept connections that the appliance closed meanwhile cost no caller an error', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.behaviour.halfClosesAfter = 3
  for (let round = 0; round < 3; round++) expect(await opens()).toBe(true)
  server.behaviour.halfClosesAfter = Number.POSITIVE_INFINITY
  server.cutConnections(0)
  expect(await hsm.createKey(newSpec())).toBeDefined()
})

test('a foreign ID in an answer is never taken for ours', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.behaviour.wrongId = true
  await expect(opens()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
  server.behaviour.wrongId = false
  expect(await opens()).toBe(true)
})

test('a full appliance makes no key and opens on', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.behaviour.capacity = 1
  await expect(hsm.createKey(newSpec())).rejects.toMatchObject({ code: 'ERR_HSM_FULL' })
  expect(await opens()).toBe(true)
})

test('without key operations nothing is made or destroyed, and deposits open on', async () => {
  const { server, hsm, open } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.settings.keyOperations = false
  const hint = /Allow Key and Policy Configuration Operations/
  await expect(hsm.createKey(newSpec())).rejects.toThrow(hint)
  await expect(hsm.destroyKey(key.id)).rejects.toThrow(hint)
  expect(await opens(await open())).toBe(true)
})

test('without crypto operations it is unavailable, not irretrievable', async () => {
  const { server, hsm } = await openHsm()
  const { opens } = await wrapSample(hsm, await hsm.createKey(newSpec()))
  server.settings.cryptoOperations = false
  await expect(opens()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
  expect((await hsm.probe()).state).toBe('unavailable')
})

test('a versioned key that may not be deleted is wiped, version by version, and is then gone', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const name = toKeyName(key.id)
  const stored = server.find(name)
  if (!stored) throw new Error('no key')
  const [version] = stored.versions
  const older = { number: '0', state: 'retired', key: version?.key } as const
  const versions = version ? [older, version] : []
  server.store.setEverywhere(name, { ...stored, deletable: false, versioned: true, versions })
  expect(await hsm.destroyKey(key.id)).toBe('destroyed')
  expect(server.find(name)?.versions.map(({ state }) => state)).toEqual(['wiped', 'wiped'])
  await expect(opens()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  expect(await hsm.listKeys()).toEqual([])
  expect(await hsm.destroyKey(key.id)).toBe('already-gone')
})

test('a key that may not be deleted and has no versions is refused, not called destroyed', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const stored = server.find(toKeyName(key.id))
  if (stored) server.store.setEverywhere(stored.name, { ...stored, deletable: false })
  await expect(hsm.destroyKey(key.id)).rejects.toMatchObject({ code: 'ERR_HSM_REFUSED' })
  expect(await (await wrapSample(hsm, key)).opens()).toBe(true)
})

const states: [VersionState, string | undefined, string | undefined][] = [
  ['active', undefined, undefined],
  ['restricted', undefined, 'ERR_HSM_REFUSED'],
  ['retired', 'ERR_HSM_REFUSED', 'ERR_HSM_REFUSED'],
  ['wiped', 'ERR_NOT_FOUND', 'ERR_NOT_FOUND'],
]
test.each(states)('a %s version: opening %s, wrapping %s', async (state, opening, wrapping) => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const stored = server.find(toKeyName(key.id))
  if (stored) {
    const versions = stored.versions.map((each) => ({ ...each, state }))
    server.store.setEverywhere(stored.name, { ...stored, versioned: true, versions })
  }
  const codeOf = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: DomainError) => error.code,
    )
  expect(await codeOf(opens())).toBe(opening)
  expect(await codeOf(wrapSample(hsm, key))).toBe(wrapping)
})

test('keys of other programs are neither listed nor touched', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const stored = server.find(toKeyName(key.id))
  if (stored) server.store.setEverywhere('payroll', { ...stored, name: 'payroll' })
  expect((await hsm.listKeys()).map(({ id }) => id)).toEqual([key.id])
  await hsm.recheck()
  expect(server.find('payroll')).toBeDefined()
})

test('a listing longer than a page is read whole', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const stored = server.find(toKeyName(key.id))
  if (!stored) throw new Error('no key')
  for (let at = 0; at < 4100; at++) {
    server.store.setEverywhere(`a-${at}`, { ...stored, name: `a-${at}` })
  }
  expect((await hsm.listKeys()).map(({ id }) => id)).toEqual([key.id])
})

test('what a release lacks is found out: SHA-256 for OAEP, GCM, HMAC, EC', async () => {
  const lacks = await openHsm({
    behaviour: {
      lacksAlgorithms: ['RSA/None/PKCS1OAEPPaddingSHA256', 'AES/GCM/NoPadding'],
      lacksKeys: ['EC', 'HMAC-SHA256'],
    },
  })
  expect(lacks.hsm.capabilities).toMatchObject({
    kinds: ['rsa-2048', 'rsa-3072', 'cmac-aes-256'],
    wrapAlgorithms: { 'rsa-2048': 'rsa-oaep-sha1', 'rsa-3072': 'rsa-oaep-sha1' },
  })
  expect(lacks.server.store.view(0).size).toBe(0)
  const key = await lacks.hsm.createKey(newSpec('rsa-2048'))
  expect(await (await wrapSample(lacks.hsm, key)).opens()).toBe(true)
  await expect(lacks.hsm.createKey(newSpec('aes-256'))).rejects.toMatchObject({
    code: 'ERR_HSM_NOT_SUPPORTED',
  })
})

test('an appliance that passes over the associated data is not trusted with GCM', async () => {
  const { hsm } = await openHsm({ behaviour: { ignoresAad: true } })
  expect(hsm.capabilities.kinds).not.toContain('aes-256')
})

test('AES-CMAC made of the appliance’s CBC is AES-CMAC', async () => {
  // NIST SP 800-38B, examples for AES-256 (D.3): no bytes, one block, two and a half, four.
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec('cmac-aes-256', 'authenticate'))
  const secret = '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4'
  const stored = server.find(toKeyName(key.id))
  if (stored) {
    const known = createSecretKey(Buffer.from(secret, 'hex'))
    const versions = [{ number: '1', state: 'active', key: known } as const]
    server.store.setEverywhere(stored.name, { ...stored, versions })
  }
  const message = Buffer.from(
    '6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710',
    'hex',
  )
  const expected = {
    0: '028962f61b7bf89efc6b551f4667d983',
    16: '28a7023f452e8f82bd4bf28d8c37c35c',
    40: 'aaf3d8f1de5640c232f5b169b9c911e6',
    64: 'e1992190549f6ed5696a2c056c315410',
  }
  for (const [length, mac] of Object.entries(expected)) {
    const made = await hsm.authenticate(key.id, message.subarray(0, Number(length)))
    expect(made.expose((bytes) => bytes.toString('hex'))).toBe(mac)
  }
})

test('RSA wraps in software are opened by the device, for a key that is there', async () => {
  const { server, hsm } = await openHsm({}, { wrap: 'software' })
  const key = await hsm.createKey(newSpec('rsa-2048'))
  const before = server.countOf(0, 'CryptoRequest')
  const { opens } = await wrapSample(hsm, key)
  expect(server.countOf(0, 'CryptoRequest')).toBe(before)
  expect(await opens()).toBe(true)
  server.store.setEverywhere(toKeyName(key.id), undefined)
  await hsm.recheck()
  await expect(wrapSample(hsm, key)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
})

test('a key in the appliance: not exportable, deletable, named by its id, labelled for people', async () => {
  const { server, hsm } = await openHsm()
  const spec = newSpec()
  await hsm.createKey(spec)
  expect(server.find(`keyhsm-${spec.id}`)).toMatchObject({
    owner: testUser.name,
    exportable: false,
    deletable: true,
    versioned: false,
    attributes: [
      ['KeyHSM-Label', spec.label],
      ['KeyHSM-Use', 'wrap'],
    ],
  })
})

test('another certificate stops the connections, with both fingerprints, until it is trusted', async () => {
  const old = makeCertificate()
  const next = makeCertificate({ notAfter: new Date('2040-01-01') })
  const { server, hsm, open } = await openHsm({ tls: old })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const [before, after] = [old, next].map((each) =>
    fingerprintOf(new X509Certificate(each.certificate)),
  )
  await server.present(next)
  const logins = server.loginAttempts
  for (let round = 0; round < 3; round++) {
    const error = await opens().then(
      () => undefined,
      (reason: unknown) => reason as DomainError,
    )
    expect(error?.code).toBe('ERR_HSM_UNAVAILABLE')
    expect(error?.message).toContain(before)
    expect(error?.message).toContain(after)
    expect(error?.hints.join()).toContain('--trust-only')
  }
  const health = await hsm.probe()
  expect(health.state).toBe('unavailable')
  expect(health.detail).toContain(after)
  expect(server.loginAttempts).toBe(logins)
  expect(await opens(await open({ tls: { pinned: after ? [after] : [] } }))).toBe(true)
})

test('a password that was changed is tried once, however many wait for a connection', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.setPassword(testUser.name, 'another-password')
  server.cutConnections(0)
  const logins = server.loginAttempts
  const codes = await Promise.all(
    Array.from({ length: 12 }, () => opens().catch((error: DomainError) => error.code)),
  )
  expect(new Set(codes)).toEqual(new Set(['ERR_HSM_LOGIN']))
  expect(server.loginAttempts - logins).toBe(1)
  await expect(hsm.findKey(key.id)).rejects.toMatchObject({ code: 'ERR_HSM_LOGIN' })
  expect((await hsm.probe()).state).toBe('login-refused')
})

test('a refused login is told before anything else, once', async () => {
  const server = await startServer()
  const told: string[] = []
  const onLoginRefused = (error: DomainError) => void told.push(error.code)
  const call = openOn(server, { password: 'MARKED-wrong', onLoginRefused })
  await expect(call).rejects.toMatchObject({ code: 'ERR_HSM_LOGIN' })
  expect(told).toEqual(['ERR_HSM_LOGIN'])
  expect(server.loginAttempts).toBe(1)
})

test('a site that speaks another dialect is understood with the same overrides', async () => {
  const { parseDialect } = await import('../src/dialect/dialect.js')
  const dialect = parseDialect(
    'authUser=User,authPassword=Pwd,keyName=Name2,oaepSha256=OAEP2,versions=2.2',
  )
  const { hsm } = await openHsm({ dialect }, { dialect })
  const key = await hsm.createKey(newSpec('rsa-2048'))
  expect(await (await wrapSample(hsm, key)).opens()).toBe(true)
  const server = await startServer({ dialect })
  // Not latched as a refused password: the appliance did not understand the request.
  await expect(openOn(server)).rejects.toMatchObject({ code: 'ERR_HSM_REFUSED' })
})

test('answers in each of the four forms of data are understood, and requests in each are', async () => {
  const { server, hsm } = await openHsm()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const [node = { host: '', port: 0 }] = server.addresses
  const link = new NaeLink(node, await connectSocket(node, undefined, 1000), defaultDialect)
  await link.request(authRequest(defaultDialect, testUser.name, testUser.password), 1000)
  const keyName = toKeyName(key.id)
  const call = { action: 'encrypt', algorithm: 'aesCbc', keyName, iv: randomBytes(16) } as const
  const seen = new Set<string>()
  for (const form of dataForms) {
    server.behaviour.dataForm = form
    expect(await opens()).toBe(true)
    const asked = {
      ...cryptoRequest(defaultDialect, { ...call, data: Buffer.alloc(48, 0x3c) }),
      form,
    }
    seen.add((await link.request(asked, 1000)).data?.toString('hex') ?? '')
  }
  expect(seen.size).toBe(1)
  link.close()
})

test('plain TCP is warned about', async () => {
  const { logged } = await openHsm()
  expect(logged).toContain('the HSM is asked without TLS: whoever is on the way reads the password')
  await expect(openOn(await startServer(), { nodes: [] })).rejects.toMatchObject({
    code: 'ERR_SETTINGS',
  })
})
