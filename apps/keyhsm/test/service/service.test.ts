import { readFile } from 'node:fs/promises'
import { Transport } from '@keyhsm/client'
import { newUuid, parseHandle } from '@keyhsm/core'
import {
  administeredKeysRoute,
  checkpointRoute,
  keyHsmStatusRoute,
  reloadRoute,
} from '@keyhsm/protocol'
import { editSettings, makeAuthority, verifyAudit, writeFileAtomically } from '@keyhsm/service'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { readLocalAdministrator } from '../../src/local-administrator.js'
import { removeTrusted } from '../../src/trust/trust-list.js'
import {
  connectClient,
  findFreePort,
  makeClientCertificate,
  makeHome,
  startService,
  type TestHome,
  testPin,
  trust,
} from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

/** Names of what is served, but for those that prom-client has for every process. */
function exportedNames(text: string): string[] {
  const names = [...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name]) => name ?? '')
  return names.filter((name) => !/^[a-z]+_(process|nodejs)_/.test(name)).sort()
}

const context = () => ({
  organisation: newUuid(),
  deposit: newUuid(),
  handle: parseHandle('key1'),
  revision: 1,
})

async function administer({ paths }: TestHome, signed = true): Promise<Transport> {
  const signer = await readLocalAdministrator(paths.admin)
  const transport = new Transport({ socketPath: paths.socket, ...(signed ? { signer } : {}) })
  onTestFinished(() => transport.close())
  return transport
}

/** A service with a Trustee Server that it trusts. */
async function startTrusting() {
  const home = await makeHome()
  const client = await makeClientCertificate()
  await trust(home, client.certificate)
  const service = await startService(home)
  return { home, service, trustee: await connectClient(home, service, client) }
}

describe('the service', () => {
  it('seals and opens for a trusted certificate, bound to its realm', async () => {
    const home = await makeHome()
    const [one, two] = [await makeClientCertificate('one'), await makeClientCertificate('two')]
    await trust(home, one.certificate, 'prod')
    await trust(home, two.certificate, 'test')
    const service = await startService(home)
    const prod = await connectClient(home, service, one)
    const test = await connectClient(home, service, two)
    const { canary, realm } = await prod.describe()
    expect(realm).toBe('prod')
    const request = { requestId: newUuid(), context: context(), canary }
    const content = Buffer.from('a secret')
    const sealed = await prod.seal({ ...request, content })
    const order = { ...request, sealed: sealed.sealed }
    expect((await prod.open(order)).toString()).toBe('a secret')
    await expect(test.open(order)).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    const revoke = {
      requestId: newUuid(),
      hsmKeyId: sealed.hsmKeyId,
      canary,
      reason: 'revoke',
    } as const
    await expect(test.revoke(revoke)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    expect(await prod.revoke(revoke)).toBe('destroyed')
    await expect(prod.open(order)).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
  })

  it('shows in its status the last error that a Trustee Server met, and when', async () => {
    const { home, service, trustee } = await startTrusting()
    const admin = await administer(home)
    const { canary } = await trustee.describe()
    expect((await admin.call(keyHsmStatusRoute, {})).lastError).toBeUndefined()
    const partition = service.partitions().named()
    await partition.hsm.destroyKey(partition.keys.canary.id)
    await expect(partition.recheck()).rejects.toThrow()
    const request = { requestId: newUuid(), context: context(), canary, content: Buffer.from('x') }
    await expect(trustee.seal(request)).rejects.toMatchObject({ code: 'ERR_WRONG_PARTITION' })
    expect((await admin.call(keyHsmStatusRoute, {})).lastError).toEqual({
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      code: 'ERR_WRONG_PARTITION',
      message: expect.stringContaining('wrong partition'),
    })
  })

  it('cuts off whoever shows no certificate, an unknown one or one of an untrusted authority', async () => {
    const home = await makeHome()
    await trust(home, (await makeClientCertificate()).certificate)
    const service = await startService(home)
    for (const client of [undefined, await makeClientCertificate('stranger')]) {
      const stranger = await connectClient(home, service, client)
      await expect(stranger.describe()).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(UNAVAILABLE|NOT_AUTHENTICATED)$/),
      })
    }
  })

  it('takes over a changed trust list on reload, also for open connections', async () => {
    const home = await makeHome()
    const [one, two] = [await makeClientCertificate('one'), await makeClientCertificate('two')]
    const first = await trust(home, one.certificate)
    const service = await startService(home)
    const clientOne = await connectClient(home, service, one)
    const clientTwo = await connectClient(home, service, two)
    await clientOne.describe()
    await expect(clientTwo.describe()).rejects.toThrow()
    await trust(home, two.certificate, 'other')
    await removeTrusted(home.paths.truststore, first as never)
    const admin = await administer(home)
    expect(await admin.call(reloadRoute, {})).toEqual({
      applied: ['1 certificate(s) are trusted now', '1 certificate(s) are no longer trusted'],
      needsRestart: [],
    })
    expect((await clientTwo.describe()).realm).toBe('other')
    await expect(clientOne.describe()).rejects.toThrow()
  })

  it('takes over changed settings on reload, and keeps the old ones when the file is bad', async () => {
    const { home, trustee } = await startTrusting()
    const admin = await administer(home)
    const change = async (changes: Record<string, string>) => {
      const text = editSettings(await readFile(home.paths.settings, 'utf8'), changes)
      await writeFileAtomically(home.paths.settings, text)
      return await admin.call(reloadRoute, {})
    }
    expect(await change({ 'keyhsm.key.scope': 'service', 'keyhsm.key.kind': 'aes-256' })).toEqual({
      applied: ['settings: scope, kind'],
      needsRestart: [],
    })
    expect(await trustee.describe()).toMatchObject({ scope: 'service', kind: 'aes-256' })
    expect((await change({ 'keyhsm.server.port': '1' })).needsRestart).toEqual([
      'keyhsm.server.port',
    ])
    await expect(change({ 'keyhsm.key.scope': 'none' })).rejects.toMatchObject({
      code: 'ERR_INVALID_INPUT',
      message: expect.stringMatching(/line \d+: keyhsm.key.scope must be one of .*old state stays/),
    })
    expect((await trustee.describe()).scope).toBe('service')
  })

  it('refuses content over the limit and requests that break their schema', async () => {
    const home = await makeHome({ 'keyhsm.content.max-bytes': '1K' })
    const client = await makeClientCertificate()
    await trust(home, client.certificate)
    const trustee = await connectClient(home, await startService(home), client)
    const { canary } = await trustee.describe()
    const request = { requestId: newUuid(), context: context(), canary }
    await expect(trustee.seal({ ...request, content: Buffer.alloc(1025) })).rejects.toMatchObject({
      code: 'ERR_TOO_LARGE',
    })
    await expect(
      trustee.seal({
        ...request,
        context: { ...context(), revision: 0 },
        content: Buffer.alloc(1),
      }),
    ).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    expect((await trustee.seal({ ...request, content: Buffer.alloc(0) })).newKey).toBe(true)
  })

  it('answers administrators on its control socket and nobody else', async () => {
    const home = await makeHome()
    await startService(home)
    const admin = await administer(home)
    expect(await admin.call(keyHsmStatusRoute, {})).toMatchObject({
      state: 'ready',
      profile: 'soft-token',
      auditHealthy: true,
      warnings: [
        'no certificate is trusted: nobody can connect',
        'the software token is for development only: it protects nothing',
      ],
    })
    expect((await admin.call(administeredKeysRoute, { query: {} })).keys.length).toBe(3)
    const stranger = await administer(home, false)
    await expect(stranger.call(keyHsmStatusRoute, {})).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
  })

  it('signs its audit with a key of the HSM', async () => {
    const home = await makeHome()
    await startService(home)
    const admin = await administer(home)
    const { publicKey } = await admin.call(checkpointRoute, {})
    const report = await verifyAudit({ directory: home.paths.audit, publicKey: publicKey ?? '' })
    expect(report).toMatchObject({ ok: true, signatures: 'verified', afterLastCheckpoint: 0 })
  })

  it('writes no secret to its log, audit or settings', async () => {
    const { home, trustee } = await startTrusting()
    const { canary } = await trustee.describe()
    const content = Buffer.from('marked-secret-5512')
    const request = { requestId: newUuid(), context: context(), canary }
    const { sealed } = await trustee.seal({ ...request, content })
    await trustee.open({ ...request, sealed })
    const { paths } = home
    for (const file of [paths.logFile, paths.settings, `${paths.audit}/audit.log`]) {
      const text = await readFile(file, 'utf8')
      expect(text.length).toBeGreaterThan(0)
      expect(text).not.toMatch(/marked/)
      expect(text).not.toContain(Buffer.from('marked-secret-5512').toString('base64'))
      expect(text).not.toContain(testPin)
    }
  })

  it('leaves nothing open when a later part of the start fails', async () => {
    const home = await makeHome()
    const first = await startService(home)
    const { port } = first.address
    const second = await makeHome({ 'keyhsm.server.port': String(port) })
    await expect(startService(second)).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    const text = editSettings(await readFile(second.paths.settings, 'utf8'), {
      'keyhsm.server.port': '0',
    })
    await writeFileAtomically(second.paths.settings, text)
    await expect(startService(second)).resolves.toMatchObject({ ready: expect.any(String) })
  })

  it('refuses an authority in its trust folder', async () => {
    const { certificate } = await makeAuthority({ commonName: 'ca', days: 1 })
    await expect(trust(await makeHome(), certificate)).rejects.toThrow(/must not be a CA/)
  })
})

describe('the service port', () => {
  it('shows health and metrics to local users without a name', async () => {
    const port = await findFreePort()
    const home = await makeHome({
      'keyhsm.service.port': String(port),
      'keyhsm.key.limit': '3',
      'keyhsm.key.pool': '2',
    })
    const service = await startService(home)
    const get = async (path: string) => {
      const reply = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: reply.status, text: await reply.text() }
    }
    expect(await get('/health')).toMatchObject({
      status: 200,
      text: expect.stringMatching(/"ready"/),
    })
    expect(await get('/health/live')).toEqual({ status: 200, text: '{"status":"live"}\n' })
    expect(await get('/health/ready')).toEqual({
      status: 200,
      text: '{"status":"ready","parts":{"partition":"ready","audit":"ready","opens":"ready"}}\n',
    })
    const metrics = (await get('/metrics')).text
    const page = await readFile(
      new URL('../../../../docs/operations/metrics.md', import.meta.url),
      'utf8',
    )
    expect(exportedNames(metrics)).toEqual(
      [...page.matchAll(/^\| `(keyhsm_\w+)`/gm)]
        .map(([, name = '']) => name)
        .sort((a, b) => (a < b ? -1 : 1)),
    )
    expect(metrics).toMatch(/^keyhsm_hsm_ready\{backend="default"\} 1$/m)
    expect(metrics).toMatch(/^keyhsm_hsm_call_seconds_count\{backend="default",call="list"\} \d+$/m)
    expect(metrics).toMatch(
      /^keyhsm_certificate_expires_timestamp_seconds\{certificate="server"\} \d+$/m,
    )
    // The partition's own three keys are all that the limit allows.
    const gauges = { hsm_keys: '3', hsm_key_limit: '3', hsm_full: '1', hsm_spare_keys: '0' }
    for (const [name, value] of Object.entries(gauges)) {
      expect(metrics).toMatch(new RegExp(`^keyhsm_${name}\\{backend="default"\\} ${value}$`, 'm'))
    }
    expect(metrics).not.toMatch(/^keyhsm_hsm_memory_bytes /m)
    expect((await get('/v1/status')).status).toBe(404)
    const admin = await administer(home)
    const status = await admin.call(keyHsmStatusRoute, {})
    expect(status).toMatchObject({ keys: 3, keyLimit: 3, capacity: 'full', spareKeys: 0 })
    expect(status.warnings.join()).toMatch(/partition is full.*does not rename keys/)
    await service.partitions().named().hsm.destroyKey(service.partitions().named().keys.canary.id)
    await expect(service.partitions().named().recheck()).rejects.toThrow()
    expect(await get('/health/ready')).toMatchObject({
      status: 503,
      text: expect.stringContaining('"partition":"wrong-partition"'),
    })
    expect((await get('/health')).status).toBe(503)
    expect((await get('/health/live')).status).toBe(200)
    expect((await get('/metrics')).text).toMatch(/^keyhsm_hsm_ready\{backend="default"\} 0$/m)
  })
})
