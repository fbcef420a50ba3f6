import { readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { fingerprintOf } from '@keyhsm/client'
import type { DomainError } from '@keyhsm/core'
import { joinRoute, listHsmKeyUsesRoute, pruneReportRoute, statusRoute } from '@keyhsm/protocol'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { waitingCertificateFile } from '../../src/certificates/key-hsm-pair.js'
import type { Paths } from '../../src/paths.js'
import { ktadmin } from '../../src/programs.js'
import { readJoinFile } from '../../src/sealing/join-file.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import { runCommand } from '../support/run-command.js'
import {
  addTestOrganisation,
  enrolTestClient,
  makeHome,
  type RunningServer,
  startIn,
  startTestServer,
} from '../support/running-server.js'
import { useTrustedPair } from '../support/trusted-pair.js'

const patienceMs = 120_000

const real = useTrustedPair()
beforeAll(() => real.keyHsm.trust(real.trusted.serverCertificate, 'other'), patienceMs)

function copyTrusted(paths: Paths): Promise<void> {
  return real.copyTo(paths, [
    'keyHsmClientCertificate',
    'keyHsmClientKey',
    'serverCertificate',
    'serverKey',
  ])
}

function joinHere(at: RunningServer, changes: object = {}) {
  const body = { url: real.keyHsm.url, serverCertificate: real.keyHsm.certificate, ...changes }
  return at.admin(joinRoute, { body })
}

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

async function fetchText(
  url: string,
  certificate: string,
): Promise<{ status: number; text: string }> {
  const { request } = await import('node:https')
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { ca: certificate, checkServerIdentity: () => undefined },
      (reply) => {
        const parts: Buffer[] = []
        reply.on('data', (part: Buffer) => parts.push(part))
        reply.on('end', () =>
          resolve({ status: reply.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
        )
      },
    )
    call.on('error', reject)
    call.end()
  })
}

describe('joining a real Key HSM', { timeout: patienceMs }, () => {
  test('before it is trusted nothing is saved; then it seals at once, after a restart too', async () => {
    const store = openMemoryStore()
    const paths = await makeHome()
    const at = await startIn(paths, { store })
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    const content = Buffer.from('content')
    expect((await failure(client.put({ handle: 'a', content }))).code).toBe('ERR_NOT_JOINED')

    const untrusted = await failure(joinHere(at))
    expect([untrusted.code, untrusted.message]).toEqual([
      'ERR_UNAVAILABLE',
      expect.stringContaining('keyhsm trust'),
    ])
    expect(await store.findJoin()).toBeUndefined()
    await expect(readFile(paths.join)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(readFile(paths.keyHsmCertificate)).rejects.toMatchObject({ code: 'ENOENT' })

    await copyTrusted(paths)
    const joined = await joinHere(at)
    expect(joined).toMatchObject({
      realm: 'default',
      hardware: false,
      sharesServerCertificate: false,
    })
    expect(await readFile(paths.keyHsmCertificate, 'utf8')).toBe(real.keyHsm.certificate)
    const deposit = await client.put({ handle: 'a', content })
    expect(deposit.sealing).toBe('hsm')
    expect((await client.get('a')).content).toEqual(content)
    const stored = await store.findRevision(deposit.uuid as never, 1)
    expect(stored?.stored.includes(content)).toBe(false)

    const page = await fetchText(`${at.url}/test_hsm`, at.serverCertificate)
    expect(page).toMatchObject({
      status: 200,
      text: expect.stringMatching(
        /^"Sample Key TEST_HELLO_DEPOSIT\d{4}-\d\d-\d\d-\d{6} has been created"\n$/,
      ) as string,
    })
    // The samples of joining and of the page are gone again: only the deposit's key is left, and it is no orphan.
    expect((await at.admin(pruneReportRoute)).report.keys).toEqual([])
    const { keys } = await at.admin(listHsmKeyUsesRoute)
    expect(keys).toMatchObject([{ purpose: 'deposit', uses: [{ handle: 'a', revision: 1 }] }])

    await at.server.stop(1_000)
    const again = await startIn(paths, { store })
    expect(await again.admin(statusRoute)).toMatchObject({ healthy: true, sealing: 'hsm' })
    const lines = await again.auditLines()
    expect(lines.filter(({ operation }) => operation === 'join')).toMatchObject([
      { event: 'intent' },
      { event: 'outcome', outcome: 'done' },
    ])
  })

  test('deposits stored without an HSM: refused plainly, nothing changed', async () => {
    const at = await startTestServer({
      settings: ['keytrustee.sealing=pass-through'],
      prepare: copyTrusted,
    })
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    await client.put({ handle: 'a', content: Buffer.from('x') })
    await client.remove('a')
    const error = await failure(joinHere(at))
    expect([error.code, error.message]).toEqual([
      'ERR_CONFLICT',
      expect.stringContaining('would have to be moved'),
    ])
    expect(await at.store.findJoin()).toBeUndefined()
    expect((await client.put({ handle: 'b', content: Buffer.from('x') })).sealing).toBe(
      'pass-through',
    )
  })

  test('bad certificates and keys are refused before anybody is asked', async () => {
    const at = await startTestServer({ prepare: copyTrusted })
    const clientCertificate = await readFile(at.paths.keyHsmClientCertificate, 'utf8')
    const otherKey = await readFile(at.paths.serverKey, 'utf8')
    for (const changes of [
      { serverCertificate: 'nonsense' },
      { clientCertificate },
      { clientCertificate, clientKey: otherKey },
      { clientCertificate, clientKey: 'nonsense' },
    ])
      expect((await failure(joinHere(at, changes))).code).toBe('ERR_INVALID_INPUT')
    expect((await failure(joinHere(at, { url: 'http://127.0.0.1:1' }))).code).toBe(
      'ERR_INVALID_INPUT',
    )
    expect((await failure(joinHere(at, { url: 'https://127.0.0.1:1' }))).code).toBe(
      'ERR_UNAVAILABLE',
    )
  })

  test('the server’s own pair works with a warning, as the old manual had it; a protected key with its passphrase', async () => {
    const { encryptPrivateKey } = await import('@keyhsm/service')
    const at = await startTestServer({ prepare: copyTrusted })
    const clientCertificate = await readFile(at.paths.serverCertificate, 'utf8')
    const plain = await readFile(at.paths.serverKey, 'utf8')
    const clientKey = encryptPrivateKey(plain, 'a passphrase')
    expect((await failure(joinHere(at, { clientCertificate, clientKey }))).code).toBe(
      'ERR_INVALID_INPUT',
    )
    const joined = await joinHere(at, { clientCertificate, clientKey, passphrase: 'a passphrase' })
    expect(joined).toMatchObject({ realm: 'other', sharesServerCertificate: true })
    expect(await readFile(at.paths.join, 'utf8')).not.toContain(plain.slice(40, 100))
    expect((await fetchText(`${at.url}/test_hsm`, at.serverCertificate)).status).toBe(200)
  })

  test('Key HSM away: 503 and unhealthy, and back by itself; another partition is never irretrievable', async () => {
    const at = await startTestServer({ prepare: copyTrusted })
    await joinHere(at)
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    await client.put({ handle: 'a', content: Buffer.from('x') })

    await real.keyHsm.stop()
    expect(await failure(client.get('a'))).toMatchObject({
      code: 'ERR_HSM_UNAVAILABLE',
      retryAfterMs: 1000,
    })
    expect((await failure(client.put({ handle: 'b', content: Buffer.from('x') }))).code).toBe(
      'ERR_HSM_UNAVAILABLE',
    )
    expect(await at.admin(statusRoute)).toMatchObject({
      healthy: false,
      pendingPuts: 0,
      parts: { keyHsm: { healthy: false } },
    })
    await real.keyHsm.start()
    expect((await client.get('a')).content.toString()).toBe('x')

    // Behind the server's back: the canary that the file says it joined is another partition's.
    await at.server.stop(1_000)
    const fields = JSON.parse(await readFile(at.paths.join, 'utf8')) as object
    const canary = 'f'.repeat(64)
    await writeFile(at.paths.join, JSON.stringify({ ...fields, canary }))
    const moved = await startIn(at.paths, { store: at.store })
    const { client: second } = await enrolTestClient(moved, {
      organisation: 'PROD',
      auth,
      clientName: 'second',
    })
    expect((await failure(second.put({ handle: 'c', content: Buffer.from('x') }))).code).toBe(
      'ERR_WRONG_PARTITION',
    )
    const { healthy, parts } = await moved.admin(statusRoute)
    expect(healthy).toBe(false)
    expect([parts.database.detail, parts.keyHsm.detail]).toEqual([
      expect.stringContaining('another Key HSM partition'),
      expect.stringContaining('wrong partition'),
    ])
  })

  test('a Key HSM of another partition is refused while deposits need the first', async () => {
    const at = await startTestServer({ prepare: copyTrusted })
    await joinHere(at)
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    await client.put({ handle: 'a', content: Buffer.from('x') })
    const join = await at.store.findJoin()
    if (!join) throw new Error('not joined')
    await at.store.withTransaction((transaction) =>
      transaction.saveJoin({ ...join, domain: 'd'.repeat(32) }),
    )
    const refused = await failure(joinHere(at))
    expect([refused.code, refused.message]).toEqual([
      'ERR_CONFLICT',
      expect.stringContaining('another HSM partition'),
    ])
    await at.store.withTransaction((transaction) => transaction.saveJoin(join))
    expect((await joinHere(at)).domain).toBe(join.domain)
    expect((await client.get('a')).content.toString()).toBe('x')
  })

  test('a database that says otherwise than the file: nothing passes through, health says so', async () => {
    const store = openMemoryStore()
    const paths = await makeHome(['keytrustee.sealing=pass-through'])
    await store.withTransaction((transaction) =>
      transaction.saveJoin({
        url: 'https://127.0.0.1:1',
        realm: 'default',
        canary: 'c'.repeat(64) as never,
        domain: 'd'.repeat(32),
        joinedAt: new Date(),
      }),
    )
    const at = await startIn(paths, { store })
    const status = await at.admin(statusRoute)
    expect(status).toMatchObject({ healthy: false, sealing: 'none' })
    expect(status.parts.database.detail).toContain('joined server')
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    expect((await failure(client.put({ handle: 'a', content: Buffer.from('x') }))).code).toBe(
      'ERR_NOT_JOINED',
    )
  })

  test('another pair for Key HSM waits until it is trusted, then is shown while deposits are read', async () => {
    const at = await startTestServer({ prepare: copyTrusted })
    const admin = (...argv: string[]) => runCommand(ktadmin, dirname(at.paths.root), argv)
    const list = async () => (await admin('cert', 'list')).stdout
    await joinHere(at)
    const { auth } = await addTestOrganisation(at)
    const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
    await client.put({ handle: 'a', content: Buffer.from('content') })
    const before = await readFile(at.paths.keyHsmClientCertificate, 'utf8')
    const file = waitingCertificateFile(at.paths)

    const refused = await admin('cert', 'renew', '--key-hsm')
    expect(refused).toMatchObject({
      exit: 75,
      stderr: expect.stringContaining(`keyhsm trust ${file} --realm default`) as string,
    })
    expect(await list()).toContain('next-shown-to-key-hsm')
    const waiting = await readFile(file, 'utf8')
    expect((await readJoinFile(at.paths))?.clientCertificate).toBe(before)

    const rolling = new AbortController()
    const results: string[] = []
    const load = Array.from({ length: 2 }, async () => {
      while (!rolling.signal.aborted)
        results.push(await client.get('a').then(({ content }) => content.toString(), String))
    })
    await real.keyHsm.trust(file)
    const done = await admin('cert', 'renew', '--key-hsm', '--wait', '20s')
    rolling.abort()
    await Promise.all(load)
    const old = fingerprintOf(new X509Certificate(before))
    expect(done).toMatchObject({
      exit: 0,
      stderr: expect.stringContaining(`keyhsm trust --remove ${old}`) as string,
    })
    expect([...new Set(results)]).toEqual(['content'])
    expect(await readFile(at.paths.keyHsmClientCertificate, 'utf8')).toBe(waiting)
    expect((await readJoinFile(at.paths))?.clientCertificate).toBe(waiting)
    await expect(readFile(file)).rejects.toMatchObject({ code: 'ENOENT' })
    const { certificates } = await at.admin(statusRoute)
    const shown = fingerprintOf(new X509Certificate(waiting))
    expect(certificates).toContainEqual(
      expect.objectContaining({ role: 'shown-to-key-hsm', fingerprint: shown }),
    )
    expect(await list()).not.toContain('next-shown')

    // Nothing needs the one before: neither this server nor the next start.
    await real.keyHsm.command('trust', '--remove', old)
    onTestFinished(() => real.keyHsm.trust(real.trusted.keyHsmClientCertificate))
    await at.server.stop(1_000)
    const again = await startIn(at.paths, { store: at.store })
    expect(await again.admin(statusRoute)).toMatchObject({ healthy: true, sealing: 'hsm' })
  })

  test('a pair for Key HSM before joining takes its place at once; wrong orders change nothing', async () => {
    const at = await startTestServer()
    const admin = (...argv: string[]) => runCommand(ktadmin, dirname(at.paths.root), argv)
    const before = await readFile(at.paths.keyHsmClientCertificate, 'utf8')
    for (const wrong of [
      ['--wait', '5s'],
      ['--authority', '--key-hsm'],
      ['--authority', '--wait', '1s'],
    ])
      expect(await admin('cert', 'renew', ...wrong)).toMatchObject({ exit: 2 })
    const { serverCertificate: cert, authorityKey: key } = at.paths
    const foreign = ['cert', 'replace', '--key-hsm', '--cert', cert, '--key', key]
    expect(await admin(...foreign)).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('--key does not belong to --cert') as string,
    })
    expect(await readFile(at.paths.keyHsmClientCertificate, 'utf8')).toBe(before)
    expect(await admin('cert', 'renew', '--key-hsm')).toMatchObject({
      exit: 0,
      stderr: expect.stringContaining('once a Key HSM is joined') as string,
    })
    const now = await readFile(at.paths.keyHsmClientCertificate, 'utf8')
    expect(now).not.toBe(before)
    await at.server.stop(1_000)
    expect(await admin('cert', 'renew', '--key-hsm')).toMatchObject({ exit: 69 })
    expect(await readFile(at.paths.keyHsmClientCertificate, 'utf8')).toBe(now)
  })
})
