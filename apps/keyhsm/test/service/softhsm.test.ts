/** The whole service over the real SoftHSM library and real mutual TLS. */
import { setTimeout as pause } from 'node:timers/promises'
import type { KeyHsmClient } from '@keyhsm/client'
import { newUuid, parseHandle } from '@keyhsm/core'
import { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { describe, expect, it, vi } from 'vitest'
import { withPartition } from '../../src/commands/with-partition.js'
import { setUp } from '../../src/setup/set-up.js'
import { scopes } from '../../src/settings.js'
import {
  hasSoftHsm,
  initToken,
  makeSoftHsm,
  pkcs11Tool,
  softHsmLibrary,
  softHsmPin,
  type TestSoftHsm,
} from '../softhsm.js'
import {
  connectClient,
  makeClientCertificate,
  makeRoot,
  setUpOptions,
  startService,
  trust,
} from '../home.js'

vi.setConfig({ testTimeout: 60_000 })

const context = () => ({
  organisation: newUuid(),
  deposit: newUuid(),
  handle: parseHandle('key1'),
  revision: 1,
})

async function setUpOn(token: TestSoftHsm, changes: Record<string, string> = {}) {
  const home = await makeRoot()
  const device = {
    'softhsm.library': softHsmLibrary,
    'softhsm.config': token.config,
    'softhsm.token.label': token.label,
    'keyhsm.server.port': '0',
    'keyhsm.management.port': '0',
  }
  const options = setUpOptions(home, { hardware: 'softhsm', pin: softHsmPin })
  await setUp({ ...options, changes: { ...device, ...changes } })
  return home
}

async function startOn(token: TestSoftHsm, changes: Record<string, string> = {}) {
  const home = await setUpOn(token, changes)
  const client = await makeClientCertificate()
  await trust(home, client.certificate)
  const service = await startService(home)
  return { home, service, trustee: await connectClient(home, service, client) }
}

async function sealOne(
  trustee: KeyHsmClient,
  text: string,
  scope: (typeof scopes)[number] = 'deposit',
) {
  const { canary } = await trustee.describe()
  const request = { requestId: newUuid(), context: context(), canary }
  const sealed = await trustee.seal({ ...request, scope, content: Buffer.from(text) })
  const open = async () => (await trustee.open({ ...request, sealed: sealed.sealed })).toString()
  return { ...sealed, open }
}

describe.skipIf(!hasSoftHsm)('Key HSM on SoftHSM (needs SoftHSM)', () => {
  it.each(['ec-p256', 'rsa-2048', 'aes-256'])(
    'seals and opens in every scope: kind %s',
    async (kind) => {
      const { trustee } = await startOn(await makeSoftHsm(), { 'keyhsm.key.kind': kind })
      for (const scope of scopes) {
        const sealed = await sealOne(trustee, `text of ${scope}`, scope)
        expect(sealed).toMatchObject({ scope, kind })
        expect(await sealed.open()).toBe(`text of ${scope}`)
      }
    },
  )

  it('makes keys that the HSM’s own tool shows under the manual’s naming convention', async () => {
    const token = await makeSoftHsm()
    const { trustee } = await startOn(token)
    const { hsmKeyLabel, hsmKeyId } = await sealOne(trustee, 'x')
    const listed = pkcs11Tool(token, '--list-objects', '--type', 'privkey')
    expect(listed).toContain(hsmKeyLabel)
    expect(listed).toContain(hsmKeyId)
    expect(hsmKeyLabel).toMatch(/^key1-\w{4}-\w{4}-\d{4}-\d{2}-\d{2}$/)
  })

  it('stops opening within a second what the HSM’s own tool removed, and nothing else', async () => {
    const token = await makeSoftHsm()
    const { trustee } = await startOn(token)
    const [gone, kept] = [await sealOne(trustee, 'gone'), await sealOne(trustee, 'kept')]
    expect(await gone.open()).toBe('gone')
    pkcs11Tool(token, '--delete-object', '--type', 'privkey', '--id', gone.hsmKeyId)
    await pause(1000)
    await expect(gone.open()).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    expect(await kept.open()).toBe('kept')
  })

  it('survives the death of the process that holds the library, and never calls a deposit lost', async () => {
    const { trustee, service } = await startOn(await makeSoftHsm())
    const sealed = await sealOne(trustee, 'x')
    const hsm = service.partitions().named().hsm
    if (!(hsm instanceof Pkcs11Hsm)) throw new Error('the device is not SoftHSM')
    process.kill(hsm.hostProcessId ?? 0, 'SIGKILL')
    const codes = new Set<string>()
    const deadline = performance.now() + 15_000
    for (;;) {
      const outcome = await sealed.open().catch((error: { code: string }) => error)
      if (outcome === 'x') break
      codes.add((outcome as { code: string }).code)
      if (performance.now() > deadline) throw new Error('did not recover')
      await pause(50)
    }
    expect([...codes].every((code) => code === 'ERR_HSM_UNAVAILABLE')).toBe(true)
  })

  it('opens what was sealed before a restart and before the settings changed', async () => {
    const token = await makeSoftHsm()
    const { trustee, home, service } = await startOn(token, { 'keyhsm.key.scope': 'service' })
    const { canary } = await trustee.describe()
    const request = { requestId: newUuid(), context: context(), canary }
    const { sealed } = await trustee.seal({ ...request, content: Buffer.from('old') })
    await service.stop(1000)
    const changes = { 'keyhsm.key.kind': 'rsa-2048', 'keyhsm.key.scope': 'deposit' }
    const options = setUpOptions(home, { hardware: 'softhsm', pin: softHsmPin })
    await setUp({ ...options, changes })
    const client = await makeClientCertificate()
    await trust(home, client.certificate)
    const again = await connectClient(home, await startService(home), client)
    expect((await again.open({ ...request, sealed })).toString()).toBe('old')
  })

  it('refuses an empty token and another one, naming it', async () => {
    const token = await makeSoftHsm()
    const home = await setUpOn(token)
    const empty = { ...token, label: 'empty' }
    initToken(empty)
    const changes = { 'softhsm.token.label': 'empty' }
    const options = setUpOptions(home, { hardware: 'softhsm', pin: softHsmPin })
    await expect(setUp({ ...options, changes })).rejects.toThrow(
      /wrong partition: .*"empty".* is not the one that was set up/,
    )
    const keys = pkcs11Tool(empty, '--list-objects')
    expect(keys).not.toMatch(/auth-|canary-/)
  })

  it.each([
    [{ 'softhsm.library': '/no/such/library.so' }, 'ERR_SETTINGS', /no PKCS#11 library \/no\/such/],
    [{ 'softhsm.token.label': 'missing' }, 'ERR_HSM_UNAVAILABLE', /no token with label "missing"/],
  ])('fails clearly when library or token are missing: %j', async (changes, code, message) => {
    await expect(setUpOn(await makeSoftHsm(), changes)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  it('logs in once with a wrong PIN and not again', async () => {
    const token = await makeSoftHsm()
    const home = await setUpOn(token)
    const options = setUpOptions(home, { hardware: 'softhsm', pin: 'wrong-pin' })
    await expect(setUp({ ...options, changes: {} })).rejects.toMatchObject({
      code: 'ERR_HSM_LOGIN',
    })
    await expect(withPartition(home.paths, () => Promise.resolve())).rejects.toThrow(
      /not tried again/,
    )
    await setUp({ ...setUpOptions(home, { hardware: 'softhsm', pin: softHsmPin }), changes: {} })
    await expect(
      withPartition(home.paths, ({ keys }) => Promise.resolve(keys.domain)),
    ).resolves.toMatch(/^[0-9a-f]{32}$/)
  })
})
