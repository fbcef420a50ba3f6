/** One Key HSM over two SoftHSM tokens and a software token. */
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import type { KeyHsmClient } from '@keyhsm/client'
import { runProgram } from '@keyhsm/command-line'
import { newUuid, parseHandle } from '@keyhsm/core'
import { initialiseSoftToken } from '@keyhsm/hsm'
import type { Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { verifyAudit } from '@keyhsm/service'
import { describe, expect, it, vi } from 'vitest'
import { readShownConfiguration } from '../../src/configuration.js'
import { program } from '../../src/program.js'
import type { RunningKeyHsm } from '../../src/service/start-key-hsm.js'
import { setUp } from '../../src/setup/set-up.js'
import {
  connectClient,
  findFreePort,
  makeClientCertificate,
  makeHome,
  setUpOptions,
  startService,
  type TestHome,
  testPin,
  trust,
} from '../home.js'
import {
  hasSoftHsm,
  makeSoftHsm,
  softHsmLibrary,
  softHsmPin,
  type TestSoftHsm,
} from '../softhsm.js'

vi.setConfig({ testTimeout: 60_000 })

async function run({ root }: TestHome, ...order: string[]) {
  const [stdout, stderr, stdin] = [new PassThrough(), new PassThrough(), Readable.from([])]
  const { user: _user, ...here } = program
  const io = { stdin, stdout, stderr, env: {}, isTerminal: false }
  const status = await runProgram(here, [...order, '--home', root], io)
  const read = (stream: PassThrough) => String(stream.read() ?? '')
  return { status, stdout: read(stdout), stderr: read(stderr) }
}

/** A further software token, as `name`. */
async function addSoftToken(home: TestHome, name: string, directory = join(home.root, name)) {
  await initialiseSoftToken({ directory, label: name, pin: testPin, scryptCost: 16 }).catch(
    () => undefined,
  )
  const options = setUpOptions(home)
  await setUp({ ...options, place: name, changes: { 'soft-token.directory': directory } })
  return directory
}

async function addSoftHsm(home: TestHome, name: string, token: TestSoftHsm, pin = softHsmPin) {
  const changes = {
    'softhsm.library': softHsmLibrary,
    'softhsm.config': token.config,
    'softhsm.token.label': token.label,
  }
  const options = setUpOptions(home, { hardware: 'softhsm', pin })
  return await setUp({ ...options, place: name, changes })
}

async function startOn(home: TestHome) {
  const client = await makeClientCertificate()
  await trust(home, client.certificate)
  const service = await startService(home)
  return { service, trustee: await connectClient(home, service, client) }
}

async function sealIn(trustee: KeyHsmClient, backend?: string) {
  const { canary } = await trustee.describe(undefined, [], backend)
  const context = {
    organisation: newUuid(),
    deposit: newUuid(),
    handle: parseHandle('key1'),
    revision: 1,
  }
  const request = { requestId: newUuid(), context, canary }
  const sealed = await trustee.seal({ ...request, content: Buffer.from(`in ${backend}`) })
  const open = async () =>
    (await trustee.open({ ...request, requestId: newUuid(), sealed: sealed.sealed })).toString()
  return { ...sealed, canary, open }
}

const unavailable = { code: expect.stringMatching(/^ERR_(HSM_UNAVAILABLE|WRONG_PARTITION)$/) }

async function until(what: () => Promise<boolean>) {
  const deadline = performance.now() + 20_000
  while (!(await what())) {
    if (performance.now() > deadline) throw new Error('it did not happen in time')
    await pause(100)
  }
}

function hostOf(service: RunningKeyHsm, name: string): number {
  const { hsm } = service.partitions().named(name)
  // The measuring proxy lets everything through.
  const { hostProcessId } = hsm as Pkcs11Hsm
  if (hostProcessId === undefined) throw new Error('the device has no process')
  return hostProcessId
}

describe('several HSMs in one Key HSM', () => {
  it('open what each has sealed, whichever new deposits go to', async () => {
    const home = await makeHome()
    await addSoftToken(home, 'new')
    const { service, trustee } = await startOn(home)
    const old = await sealIn(trustee)
    const before = await trustee.describe()
    expect(before).toMatchObject({ backend: 'default', defaultBackend: true })
    expect(before.backends.map(({ name, default: is }) => [name, is])).toEqual([
      ['default', true],
      ['new', false],
    ])
    await run(home, 'backend', 'default', 'new')
    await service.reload()
    const after = await trustee.describe()
    expect(after).toMatchObject({ backend: 'new', defaultBackend: true })
    expect(after.canary).not.toBe(before.canary)
    const young = await sealIn(trustee)
    expect(young.canary).toBe(after.canary)
    expect(await old.open()).toBe('in undefined')
    expect(await young.open()).toBe('in undefined')
    const keys = async (canary: string) => {
      const labels: string[] = []
      for await (const { id } of trustee.listHsmKeys(10, canary)) labels.push(id)
      return labels
    }
    expect(await keys(before.canary)).toEqual([old.hsmKeyId])
    expect(await keys(after.canary)).toEqual([young.hsmKeyId])
    const revoke = { requestId: newUuid(), hsmKeyId: old.hsmKeyId, reason: 'revoke' } as const
    await expect(trustee.revoke({ ...revoke, canary: after.canary })).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    expect(await trustee.revoke({ ...revoke, canary: before.canary })).toBe('destroyed')
    await expect(old.open()).rejects.toMatchObject({ code: 'ERR_IRRETRIEVABLE' })
    await service.stop(1000)
    expect(await verifyAudit({ directory: home.paths.audit })).toMatchObject({ ok: true })
  })

  it('are added and taken away by a reload, without another being disturbed', async () => {
    const home = await makeHome()
    const { service, trustee } = await startOn(home)
    const first = await sealIn(trustee)
    await addSoftToken(home, 'new')
    await service.reload()
    const second = await sealIn(trustee, 'new')
    expect(await run(home, 'backend', 'remove', 'new')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/1 HSM keys of deposits are in new/),
    })
    const removed = await run(home, 'backend', 'remove', 'new', '--leave-keys')
    expect(removed.stderr).toMatch(/new is taken away/)
    await service.reload()
    await expect(second.open()).rejects.toMatchObject({ code: 'ERR_WRONG_PARTITION' })
    await expect(trustee.describe(undefined, [], 'new')).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
    expect(await first.open()).toBe('in undefined')
  })

  it('keep what they were when one of a reload cannot be connected', async () => {
    const home = await makeHome()
    const { service, trustee } = await startOn(home)
    const directory = await addSoftToken(home, 'new')
    await rename(directory, `${directory}.away`)
    await expect(service.reload()).rejects.toThrow()
    expect((await trustee.describe()).backends).toHaveLength(1)
    await rename(`${directory}.away`, directory)
    await service.reload()
    expect((await trustee.describe()).backends).toHaveLength(2)
  })

  it('start without one that is missing, say so, and take it in when it is back', async () => {
    const home = await makeHome({ 'keyhsm.key.recheck': '1s' })
    const directory = await addSoftToken(home, 'new')
    const first = await startOn(home)
    const sealed = await sealIn(first.trustee, 'new')
    await first.service.stop(1000)
    await rename(directory, `${directory}.away`)
    const { service, trustee } = await startOn(home)
    expect((await trustee.describe()).backends).toMatchObject([
      { name: 'default', state: 'ready' },
      { name: 'new', state: 'unavailable', device: '' },
    ])
    expect(await (await sealIn(trustee)).open()).toBe('in undefined')
    const context = { organisation: newUuid(), deposit: newUuid(), handle: 'h', revision: 1 }
    const order = { requestId: newUuid(), context, canary: sealed.canary, sealed: sealed.sealed }
    await expect(trustee.open(order)).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    await rename(`${directory}.away`, directory)
    await until(async () => (await trustee.describe()).backends[1]?.state === 'ready')
    expect(service.partitions().named('new').keys.canaryFingerprint).toBe(sealed.canary)
  })

  it('are each validated: a fault of one is told, and the others are tried', async () => {
    const home = await makeHome()
    const directory = await addSoftToken(home, 'new')
    await addSoftToken(home, 'third')
    await rename(directory, `${directory}.away`)
    const { status, stdout } = await run(home, 'validate')
    expect(status).toBe(78)
    expect(stdout).toMatch(/^new: HSM: .*:\[ Failed \]$/m)
    for (const name of ['default', 'third'])
      expect(stdout).toMatch(new RegExp(`^${name}: Wrap and unwrap: .*Successful`, 'm'))
    const { checks } = JSON.parse((await run(home, 'validate', '--json')).stdout) as {
      checks: { verdict: string }[]
    }
    expect(checks.filter(({ verdict }) => verdict === 'bad')).toHaveLength(1)
  })

  it('show over HTTP that one is missing, and that the service can be used', async () => {
    const home = await makeHome()
    const directory = await addSoftToken(home, 'new')
    const port = await findFreePort()
    const options = setUpOptions(home, { changes: { 'keyhsm.service.port': String(port) } })
    await setUp(options)
    await rename(directory, `${directory}.away`)
    await startOn(home)
    const health = async (path: string) => {
      const reply = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: reply.status, body: (await reply.json()) as object }
    }
    expect(await health('/health')).toMatchObject({
      status: 200,
      body: {
        status: 'degraded',
        ready: { parts: { partition: 'ready', 'partition new': 'unavailable' } },
      },
    })
    expect((await health('/health/ready')).status).toBe(200)
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    expect(metrics).toMatch(/^keyhsm_hsm_ready\{backend="new"\} 0$/m)
  })

  it('sign the audit in turn: the auditor keeps the key of each default one', async () => {
    const home = await makeHome()
    await addSoftToken(home, 'new')
    const publicKey = async () => (await run(home, 'audit', 'public-key')).stdout
    const old = await publicKey()
    const { service, trustee } = await startOn(home)
    await sealIn(trustee)
    await service.stop(1000)
    await run(home, 'backend', 'default', 'new')
    const young = await publicKey()
    expect(young).not.toBe(old)
    const again = await startOn(home)
    await sealIn(again.trustee)
    await again.service.stop(1000)
    const verify = (keys: string) =>
      verifyAudit({ directory: home.paths.audit, publicKey: keys, service: 'keyhsm' })
    const whole = await verify(`${old}\n${young}`)
    expect(whole).toMatchObject({ ok: true })
    expect(whole.afterLastCheckpoint).toBe(0)
    expect(await verify(old)).not.toMatchObject({ ok: true, afterLastCheckpoint: 0 })
  })

  it('refuse two names for one partition', async () => {
    const home = await makeHome()
    await expect(addSoftToken(home, 'twin', home.tokenDirectory)).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: 'this is the partition of the backend default',
    })
    expect((await readShownConfiguration(home.paths)).backends).toHaveLength(1)
  })

  it('let the first one go: the default one takes its place in the file', async () => {
    const home = await makeHome()
    await addSoftToken(home, 'new')
    const refused = await run(home, 'backend', 'remove', 'default')
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringMatching(/backend default/) })
    const { service, trustee } = await startOn(home)
    const sealed = await sealIn(trustee, 'new')
    expect((await run(home, 'backend', 'default', 'new')).status).toBe(0)
    expect((await run(home, 'backend', 'remove', 'default')).status).toBe(0)
    const { backends, defaultBackend } = await readShownConfiguration(home.paths)
    expect([backends.map(({ name }) => name), defaultBackend]).toEqual([['new'], 'new'])
    await service.reload()
    expect((await trustee.describe()).backends).toMatchObject([{ name: 'new', default: true }])
    expect(await sealed.open()).toBe('in new')
    const listed = await run(home, 'backend', 'list')
    expect(listed.stdout).toMatch(/new +true +soft-token +not running/)
  })
})

describe.skipIf(!hasSoftHsm)('two SoftHSM tokens and a software token (needs SoftHSM)', () => {
  it('fail each by itself: process, token, password', async () => {
    const home = await makeHome({ 'keyhsm.key.recheck': '1s' })
    const [a, b] = [await makeSoftHsm('token-a'), await makeSoftHsm('token-b')]
    await addSoftHsm(home, 'a', a)
    await addSoftHsm(home, 'b', b)
    const { service, trustee } = await startOn(home)
    const [inA, inB, inSoft] = [
      await sealIn(trustee, 'a'),
      await sealIn(trustee, 'b'),
      await sealIn(trustee),
    ]
    expect(hostOf(service, 'a')).not.toBe(hostOf(service, 'b'))
    await rename(join(a.root, 'tokens'), join(a.root, 'away'))
    process.kill(hostOf(service, 'a'), 'SIGKILL')
    await until(async () => (await inA.open().catch(() => 'failed')) === 'failed')
    for (let count = 0; count < 5; count += 1) {
      await expect(inA.open()).rejects.toMatchObject(unavailable)
      expect(await inB.open()).toBe('in b')
      expect(await inSoft.open()).toBe('in undefined')
    }
    expect((await trustee.describe()).backends.map(({ name, state }) => [name, state])).toEqual([
      ['default', 'ready'],
      ['a', 'unavailable'],
      ['b', 'ready'],
    ])
    await rename(join(a.root, 'away'), join(a.root, 'tokens'))
    await until(async () => (await inA.open().catch(() => 'failed')) === 'in a')
    await service.stop(1000)
    // A wrong password of one latches that one alone.
    await expect(addSoftHsm(home, 'a', a, 'wrong')).rejects.toMatchObject({ code: 'ERR_HSM_LOGIN' })
    const again = await startOn(home)
    expect((await again.trustee.describe()).backends[1]).toMatchObject({ state: 'login-refused' })
    expect((await again.trustee.describe(undefined, [], 'b')).state).toBe('ready')
    expect(await run(home, 'login-reset')).toMatchObject({
      stderr: expect.stringMatching(
        /no login was refused\n.*the login of a was refused: keyhsm login-reset --backend a\n/,
      ),
    })
    expect(await run(home, 'login-reset', '--backend', 'a')).toMatchObject({
      stderr: expect.stringMatching(/logs in once/),
    })
    await until(async () => (await again.trustee.describe()).backends[1]?.state === 'ready')
  })
})
