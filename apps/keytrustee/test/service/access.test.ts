import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { dirname } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { Transport } from '@keyhsm/client'
import type { DomainError } from '@keyhsm/core'
import {
  setClientStateRoute,
  setOrganisationStateRoute,
  signRequest,
  statusRoute,
  trusteeAdminRoutes,
  trusteeRoutes,
} from '@keyhsm/protocol'
import { makeAuthority, issueClientCertificate, makeSelfSigned } from '@keyhsm/service'
import { describe, expect, test } from 'vitest'
import { addAdministrator, readAdministratorKey } from '../../src/administrators.js'
import {
  addTestOrganisation,
  connectClient,
  enrolTestClient,
  type RunningServer,
  startTestServer,
} from '../support/running-server.js'

const passThrough = ['keytrustee.sealing=pass-through']

async function failure(promise: Promise<unknown>): Promise<DomainError> {
  return promise.then(
    () => expect.fail('should have been refused'),
    (error: unknown) => error as DomainError,
  )
}

const codeOf = async (promise: Promise<unknown>) => (await failure(promise)).code

interface Answer {
  readonly status: number
  readonly text: string
  readonly resumed: boolean
}

/** One raw request, also where the client library would refuse to send it. */
function ask(
  at: RunningServer,
  path: string,
  o: {
    readonly method?: string
    readonly agent?: Agent
    readonly headers?: Record<string, string>
  } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${at.url}${path}`,
      {
        method: o.method ?? 'GET',
        ca: at.serverCertificate,
        checkServerIdentity: () => undefined,
        headers: o.headers ?? {},
        ...(o.agent ? { agent: o.agent } : {}),
      },
      (reply) => {
        const resumed = (reply.socket as TLSSocket).isSessionReused()
        const parts: Buffer[] = []
        reply.on('data', (part: Buffer) => parts.push(part))
        reply.on('end', () =>
          resolve({
            status: reply.statusCode ?? 0,
            text: Buffer.concat(parts).toString(),
            resumed,
          }),
        )
      },
    )
    call.on('error', reject)
    call.end()
  })
}

async function withClient() {
  const at = await startTestServer({ settings: passThrough })
  const { auth } = await addTestOrganisation(at)
  const enrolled = await enrolTestClient(at, { organisation: 'PROD', auth })
  return { at, auth, ...enrolled }
}

describe('the clients’ port', () => {
  test('only enrolment and the two old pages are open to anyone, each for its reason', () => {
    const open = trusteeRoutes.filter(({ access }) => access === 'anyone').map(({ path }) => path)
    // A client has no certificate before it enrols.
    expect(open).toEqual(['/v1/enrolments'])
  })

  test('without a certificate every other route answers 401, and the administration is not there', async () => {
    const at = await startTestServer({ settings: passThrough })
    for (const { method, path, access } of trusteeRoutes) {
      if (access !== 'client') continue
      const place = path.replace(/:\w+/, 'x')
      expect([method, place, (await ask(at, place, { method })).status]).toEqual([
        method,
        place,
        401,
      ])
    }
    for (const { method, path, access } of trusteeAdminRoutes) {
      // Whoever reaches the control socket may also send the signal that a reload was.
      expect([path, access]).toEqual([path, path === '/v1/reload' ? 'anyone' : 'administrator'])
      expect((await ask(at, path.replace(/:\w+/, 'x'), { method })).status).toBe(404)
    }
  })

  test('a session resumed without a certificate is nobody', async () => {
    const { at, pair } = await withClient()
    const agent = new Agent({ maxCachedSessions: 10, cert: pair.certificate, key: pair.key })
    const known = await ask(at, '/v1/self', { agent })
    expect(known.status).toBe(200)
    const anonymous = new Agent({ maxCachedSessions: 10 })
    for (let i = 0; i < 3; i += 1) {
      const { status, resumed } = await ask(at, '/v1/self', { agent: anonymous })
      expect([status, resumed]).toEqual([401, false])
    }
    for (const each of [agent, anonymous]) each.destroy()
  })

  test('certificates of nobody: another authority’s, self-signed, expired', async () => {
    const { at, enrolment, pair } = await withClient()
    const publicKeyDer = createPublicKey(pair.key).export({ type: 'spki', format: 'der' })
    const uri = `urn:keytrustee:client:${enrolment.client}`
    const common = { publicKeyDer, commonName: 'client-1', uri }
    const authority = await makeAuthority({ commonName: 'Key Trustee client authority', days: 10 })
    const foreign = await issueClientCertificate({ authority, ...common, days: 1 })
    const own = {
      certificate: await readFile(at.paths.authorityCertificate, 'utf8'),
      privateKey: await readFile(at.paths.authorityKey, 'utf8'),
    }
    const now = new Date(Date.now() - 10 * 86400_000)
    const expired = await issueClientCertificate({ authority: own, ...common, days: 1, now })
    for (const certificate of [foreign, expired]) {
      const client = connectClient(at, { certificate, key: pair.key })
      expect(await codeOf(client.self())).toBe('ERR_NOT_AUTHENTICATED')
    }
    const self = await makeSelfSigned({
      commonName: 'x',
      subjectAltNames: [],
      days: 1,
      usage: 'client',
    })
    const client = connectClient(at, { certificate: self.certificate, key: self.privateKey })
    expect(await codeOf(client.self())).toBe('ERR_NOT_AUTHENTICATED')
  })

  test('a disabled client and a suspended organisation are refused on connections that are open', async () => {
    const { at, client, enrolment } = await withClient()
    await client.put({ handle: 'a', content: Buffer.from('x') })
    const set = (action: 'disable' | 'enable') =>
      at.admin(setClientStateRoute, {
        params: { ref: enrolment.client },
        body: { action },
      })
    await set('disable')
    expect(await codeOf(client.get('a'))).toBe('ERR_NOT_AUTHENTICATED')
    await set('enable')
    expect((await client.get('a')).content.toString()).toBe('x')
    const suspend = (state: 'active' | 'suspended') =>
      at.admin(setOrganisationStateRoute, { params: { name: 'PROD' }, body: { state } })
    await suspend('suspended')
    expect(await codeOf(client.get('a'))).toBe('ERR_NOT_AUTHENTICATED')
    await suspend('active')
    expect((await client.get('a')).content.toString()).toBe('x')
  })

  test('another organisation’s deposit is not there', async () => {
    const { at, client } = await withClient()
    const { uuid, revisionUuid } = await client.put({ handle: 'a', content: Buffer.from('x') })
    const { auth } = await addTestOrganisation(at, 'OTHER')
    const other = await enrolTestClient(at, { organisation: 'OTHER', auth })
    for (const ref of ['a', uuid, revisionUuid]) {
      expect(await failure(other.client.get(ref))).toMatchObject({
        code: 'ERR_NOT_FOUND',
        message: 'there is no such deposit',
      })
      expect(await codeOf(other.client.remove(ref))).toBe('ERR_NOT_FOUND')
    }
    expect((await other.client.put({ handle: 'a', content: Buffer.from('y') })).revision).toBe(1)
    expect((await client.get('a')).content.toString()).toBe('x')
  })

  test('content over the limit is 413, bad input 400 naming the field', async () => {
    const { client } = await withClient()
    expect(await codeOf(client.put({ handle: 'a', content: Buffer.alloc(2 ** 20 + 1) }))).toBe(
      'ERR_TOO_LARGE',
    )
    expect((await client.put({ handle: 'a', content: Buffer.alloc(2 ** 20) })).contentBytes).toBe(
      2 ** 20,
    )
    const bad = await failure(client.put({ handle: '-a', content: Buffer.alloc(1) }))
    expect([bad.code, bad.faults[0]?.field]).toEqual(['ERR_INVALID_INPUT', 'handle'])
  })

  test('describes itself, as the reference has it', async () => {
    const { status, text } = await ask(await startTestServer(), '/v1/openapi.json')
    const file = new URL('../../../../docs/reference/openapi.json', import.meta.url)
    const reference = JSON.parse(await readFile(file, 'utf8')) as { info: { version: string } }
    const served = JSON.parse(text) as typeof reference
    expect([status, served.info.version]).toEqual([200, expect.stringMatching(/^\d+\.\d+\.\d+/)])
    const info = { ...served.info, version: reference.info.version }
    expect({ ...served, info }).toEqual(reference)
  })

  test('the old pages: fingerprint, and test_hsm before joining', async () => {
    const at = await startTestServer()
    const page = await ask(at, '/?a=fingerprint')
    expect(page.status).toBe(200)
    expect(page.text).toMatch(/^EC256\/[0-9A-F]{64}\n$/)
    expect((await ask(at, '/')).status).toBe(400)
    expect((await ask(at, '/test_hsm')).status).toBe(405)
    for (const name of ['Forwarded', 'Via', 'X-Forwarded-For', 'X-Real-IP']) {
      const answer = await ask(at, '/test_hsm', { headers: { [name]: '127.0.0.1' } })
      expect([name, answer.status]).toEqual([name, 403])
    }
  })
})

describe('the control socket', () => {
  function connect(
    at: RunningServer,
    signer?: ConstructorParameters<typeof Transport>[0]['signer'],
  ): Transport {
    return new Transport({ socketPath: at.paths.controlSocket, ...(signer ? { signer } : {}) })
  }

  test('lets in nobody but its own user', async () => {
    const at = await startTestServer()
    expect((await stat(at.paths.controlSocket)).mode & 0o777).toBe(0o600)
    expect((await stat(dirname(at.paths.controlSocket))).mode & 0o777).toBe(0o700)
  })

  test('answers nobody without an administrator’s signature', async () => {
    const at = await startTestServer()
    const known = await readAdministratorKey(at.paths, undefined)
    const { privateKey } = generateKeyPairSync('ed25519')
    for (const signer of [
      undefined,
      { name: known.name, privateKey },
      { ...known, name: 'mallory' },
    ]) {
      const transport = connect(at, signer)
      expect(await codeOf(transport.call(statusRoute))).toBe('ERR_NOT_AUTHENTICATED')
      await transport.close()
    }
  })

  test('answers a signed request once, and only the signed one', async () => {
    const at = await startTestServer()
    const known = await readAdministratorKey(at.paths, undefined)
    const path = '/v1/admin/status'
    const signed = signRequest(known, {
      method: 'GET',
      path,
      body: Buffer.alloc(0),
      now: new Date(),
    })
    const transport = connect(at)
    expect((await transport.call(statusRoute, { headers: signed })).version).toBeDefined()
    expect(await codeOf(transport.call(statusRoute, { headers: signed }))).toBe(
      'ERR_NOT_AUTHENTICATED',
    )
    await transport.close()
  })

  test('knows a new administrator after a reload, and names him in the audit', async () => {
    const at = await startTestServer()
    await addAdministrator(at.paths, 'bob')
    const bob = await readAdministratorKey(at.paths, 'bob')
    const transport = connect(at, bob)
    expect(await codeOf(transport.call(statusRoute))).toBe('ERR_NOT_AUTHENTICATED')
    await at.server.reload()
    expect((await transport.call(statusRoute)).sealing).toBe('none')
    await transport.close()
    await expect(addAdministrator(at.paths, 'bob')).rejects.toMatchObject({
      code: 'ERR_ALREADY_EXISTS',
    })
    await expect(readAdministratorKey(at.paths, 'eve')).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
    })
  })

  test('a server whose socket directory others can enter does not start', async () => {
    const start = startTestServer({
      prepare: async (paths) => {
        await rm(paths.run, { recursive: true })
        await mkdir(paths.run)
        await chmod(paths.run, 0o755)
      },
    })
    await expect(start).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })
})

test('reload: another certificate and limit take effect, a faulty file changes nothing', async () => {
  const at = await startTestServer({ settings: passThrough })
  const { auth } = await addTestOrganisation(at)
  const { client, pair } = await enrolTestClient(at, { organisation: 'PROD', auth })
  await writeFile(at.paths.settings, 'keytrustee.server.port=x\n')
  await expect(at.server.reload()).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  expect((await client.put({ handle: 'a', content: Buffer.alloc(100) })).contentBytes).toBe(100)

  const fresh = await makeSelfSigned({
    commonName: 'new',
    subjectAltNames: ['127.0.0.1'],
    days: 1,
    usage: 'server',
    kind: 'rsa-2048',
  })
  await writeFile(at.paths.serverCertificate, fresh.certificate)
  await writeFile(
    at.paths.settings,
    'keytrustee.content.max-bytes=10\nkeytrustee.sealing=pass-through\n',
  )
  await expect(at.server.reload()).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  await writeFile(at.paths.serverKey, fresh.privateKey, { mode: 0o600 })
  await at.server.reload()
  const renewed = connectClient({ ...at, serverCertificate: fresh.certificate }, pair)
  expect(await codeOf(renewed.put({ handle: 'b', content: Buffer.alloc(100) }))).toBe(
    'ERR_TOO_LARGE',
  )
  const status = await at.admin(statusRoute)
  const hex = new X509Certificate(fresh.certificate).fingerprint256
    .replaceAll(':', '')
    .toLowerCase()
  expect(status.serverFingerprint).toBe(hex)
  expect(
    (await ask({ ...at, serverCertificate: fresh.certificate }, '/?a=fingerprint')).text,
  ).toMatch(/^2048R\//)
})
