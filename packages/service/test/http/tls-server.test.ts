import { X509Certificate } from 'node:crypto'
import https from 'node:https'
import tls from 'node:tls'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { encryptPrivateKey, type KeyedCertificate, makeSelfSigned } from '../../src/certificates.js'
import type { HttpServerOptions, TlsServing } from '../../src/http-server.js'
import { makePki, type Pki } from '../support/pki.js'
import { answering, ask, byCertificate, start } from '../support/server.js'

let pki: Pki
beforeAll(async () => {
  pki = await makePki()
})

const whoami = answering(
  { method: 'GET', path: '/who', access: 'client', maxBodyBytes: 0 },
  async (r) => ({
    said: r.identity?.name,
  }),
)
const open = answering({ method: 'GET', path: '/open', maxBodyBytes: 0 }, async () => ({
  said: 'hello',
}))

function serving(o: Partial<TlsServing> = {}): TlsServing {
  return {
    key: pki.server.privateKey,
    cert: pki.server.certificate,
    rejectUnauthorized: true,
    trustedCertificates: [pki.authority.certificate],
    ...o,
  }
}

const startWith = (o: Partial<TlsServing> = {}, more: Partial<HttpServerOptions> = {}) =>
  start({ tls: serving(o), routes: [whoami, open], ...more })

const who = (port: number, as?: KeyedCertificate, agent?: https.Agent) =>
  ask({ port, method: 'GET', path: '/who', ...(as && { as }), ...(agent && { agent }) })

const cut = /ECONNRESET|socket hang up|ALERT|alert|EPIPE|disconnected/

/** Handshakes with these options and gives what was agreed, or rejects. */
function handshake(port: number, o: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      rejectUnauthorized: false,
      key: pki.alice.privateKey,
      cert: pki.alice.certificate,
      ...o,
    })
    onTestFinished(() => void socket.destroy())
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Sends `first`, `second` when the answer has begun to come and nobody reads on, and gives all that comes until the server hangs up. */
async function overlapping(port: number, first: string, second: string): Promise<string> {
  const socket = await handshake(port, {})
  socket.write(first)
  const chunks: Buffer[] = []
  await new Promise<void>((resolve) =>
    socket.on('data', (chunk: Buffer) => {
      if (chunks.push(chunk) > 1) return
      socket.pause()
      resolve()
    }),
  )
  await new Promise((resolve) => socket.write(second, resolve))
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  socket.resume()
  await new Promise((resolve) => socket.once('close', resolve))
  return Buffer.concat(chunks).toString('latin1')
}

describe('a connection', () => {
  it('answers a long request that comes while the answer before it is not all sent', async () => {
    const said = 'x'.repeat(16 * 1024 * 1024)
    const large = answering({ path: '/large', maxBodyBytes: 100_000 }, async () => ({ said }))
    const { port } = await startWith({}, { routes: [large] })
    const request = (more = '') =>
      `POST /large HTTP/1.1\r\nhost: x\r\n${more}content-type: application/json\r\ncontent-length: 60000\r\n\r\n` +
      '{}'.padEnd(60_000)
    const all = await overlapping(port, request(), request('connection: close\r\n'))
    expect(all.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200'])
    expect(all.length).toBeGreaterThan(2 * said.length)
  })
})

describe('a port that insists on a certificate', () => {
  it('admits leafs of the trusted authority', async () => {
    const { port } = await startWith()
    expect((await who(port, pki.alice)).json).toEqual({ said: 'alice' })
    expect((await who(port, pki.bob)).json).toEqual({ said: 'bob' })
  })

  it.each(['none', 'mallory', 'expired', 'notYet', 'selfSigned'] as const)(
    'cuts off a peer with %s',
    async (name) => {
      const { port } = await startWith()
      await expect(who(port, name === 'none' ? undefined : pki[name])).rejects.toThrow(cut)
    },
  )

  it('trusts nobody when the list is empty', async () => {
    const { port } = await startWith({ trustedCertificates: [] })
    await expect(who(port, pki.alice)).rejects.toThrow(cut)
  })

  it('trusts a leaf by itself and not the other leafs of its authority', async () => {
    const { port } = await startWith({ trustedCertificates: [pki.alice.certificate] })
    expect((await who(port, pki.alice)).status).toBe(200)
    await expect(who(port, pki.bob)).rejects.toThrow(cut)
  })

  it('trusts a self-signed leaf', async () => {
    const { port } = await startWith({ trustedCertificates: [pki.selfSigned.certificate] })
    expect((await who(port, pki.selfSigned)).json).toEqual({ said: 'self-signed' })
  })

  it('refuses a CA certificate as an identity, even one on the list', async () => {
    const { port } = await startWith()
    await expect(who(port, pki.authority)).rejects.toThrow(cut)
  })

  it('refuses a server certificate as a client, and admits one made for both', async () => {
    const make = (usage: 'server' | 'server-and-client') =>
      makeSelfSigned({ commonName: usage, subjectAltNames: [], days: 5, usage })
    const [server, both] = [await make('server'), await make('server-and-client')]
    const { port } = await startWith({
      trustedCertificates: [server.certificate, both.certificate],
    })
    await expect(who(port, server)).rejects.toThrow(cut)
    expect((await who(port, both)).json).toEqual({ said: 'server-and-client' })
  })
})

describe('a port that also serves strangers', () => {
  const lenient = { rejectUnauthorized: false }

  it('serves them what anyone may have, and knows them not', async () => {
    const { port } = await startWith(lenient)
    expect((await ask({ port, method: 'GET', path: '/open' })).json).toEqual({ said: 'hello' })
    const refused = await who(port)
    expect([refused.status, refused.json.code]).toEqual([401, 'ERR_NOT_AUTHENTICATED'])
  })

  it.each(['mallory', 'expired', 'notYet', 'selfSigned', 'authority'] as const)(
    'knows not a peer with %s',
    async (name) => {
      const { port } = await startWith(lenient)
      expect((await who(port, pki[name])).status).toBe(401)
    },
  )

  it('gives no identity to a session resumed without a certificate, and resumes none', async () => {
    const { port } = await startWith(lenient)
    const none = { key: undefined, cert: undefined } as unknown as tls.ConnectionOptions
    const first = await handshake(port, none)
    let session: Buffer | undefined
    first.on('session', (ticket: Buffer) => {
      session = ticket
    })
    const said = await speak(first, 'GET /who HTTP/1.1\r\nhost: x\r\n\r\n')
    expect(said).toContain('401')
    // OpenSSL may still send a session id that nothing is stored for; whatever it sent is offered again.
    const again = await handshake(port, {
      ...none,
      session: session ?? first.getSession(),
    } as never)
    expect(again.isSessionReused()).toBe(false)
    expect(await speak(again, 'GET /who HTTP/1.1\r\nhost: x\r\n\r\n')).toContain('401')
  })
})

/** Writes raw HTTP and gives the first bytes of the answer. */
function speak(socket: tls.TLSSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString()))
    socket.once('error', reject)
    socket.write(text)
  })
}

describe('protocol versions and suites', () => {
  it('prefers TLS 1.3', async () => {
    const { port } = await startWith()
    expect((await handshake(port, {})).getProtocol()).toBe('TLSv1.3')
  })

  it('speaks TLS 1.2 with an AEAD suite and ephemeral keys', async () => {
    const { port } = await startWith()
    const socket = await handshake(port, { maxVersion: 'TLSv1.2' })
    expect(socket.getCipher().name).toMatch(/^ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/)
    expect(socket.getSession()?.length ?? 0).toBeGreaterThan(0)
    const again = await handshake(port, {
      maxVersion: 'TLSv1.2',
      session: socket.getSession(),
    } as never)
    expect(again.isSessionReused()).toBe(false)
  })

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA' }],
    ['static RSA', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ] as const)('refuses %s', async (_name, o) => {
    const { port } = await startWith()
    await expect(handshake(port, o as tls.ConnectionOptions)).rejects.toThrow(
      /alert|ALERT|unsupported/,
    )
  })
})

describe('the key of the server', () => {
  it('may be encrypted', async () => {
    const key = encryptPrivateKey(pki.server.privateKey, 'pass')
    const { port } = await startWith({ key, passphrase: 'pass' })
    expect((await who(port, pki.alice)).status).toBe(200)
  })

  it('may be RSA', async () => {
    const rsa = await makeSelfSigned({
      commonName: 'r',
      subjectAltNames: [],
      days: 3,
      usage: 'server',
      kind: 'rsa-2048',
    })
    const { port } = await startWith({ key: rsa.privateKey, cert: rsa.certificate })
    expect((await who(port, pki.alice)).status).toBe(200)
  })

  it.each([
    [
      'the passphrase is wrong',
      () => ({ key: encryptPrivateKey(pki.server.privateKey, 'a'), passphrase: 'b' }),
    ],
    ['the passphrase is missing', () => ({ key: encryptPrivateKey(pki.server.privateKey, 'a') })],
    ['it belongs to another certificate', () => ({ key: pki.alice.privateKey })],
    ['it is no key', () => ({ key: 'garbage' })],
    ['a trusted certificate is broken', () => ({ trustedCertificates: ['garbage'] })],
  ])('is refused when %s', async (_name, broken) => {
    await expect(startWith(broken())).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
  })
})

describe('reloadTls', () => {
  const agentFor = (peer: KeyedCertificate) => {
    const agent = new https.Agent({
      keepAlive: true,
      maxSockets: 1,
      key: peer.privateKey,
      cert: peer.certificate,
      rejectUnauthorized: false,
    })
    onTestFinished(() => agent.destroy())
    return agent
  }

  it('takes the identity of a removed peer from its open connection at the next request', async () => {
    const { port, server } = await startWith({
      trustedCertificates: [pki.alice.certificate, pki.bob.certificate],
    })
    const agent = agentFor(pki.bob)
    expect((await who(port, undefined, agent)).json).toEqual({ said: 'bob' })
    server.reloadTls(serving({ trustedCertificates: [pki.alice.certificate] }))
    const refused = await who(port, undefined, agent)
    expect([refused.status, refused.json.code]).toEqual([401, 'ERR_NOT_AUTHENTICATED'])
    await expect(who(port, pki.bob)).rejects.toThrow(cut)
    expect((await who(port, pki.alice)).status).toBe(200)
  })

  it('admits an added peer on a new connection, and shows the new certificate', async () => {
    const { port, server } = await startWith({ trustedCertificates: [pki.alice.certificate] })
    const renewed = await makeSelfSigned({
      commonName: 'renewed',
      subjectAltNames: [],
      days: 9,
      usage: 'server',
    })
    server.reloadTls(
      serving({
        key: renewed.privateKey,
        cert: renewed.certificate,
        trustedCertificates: [pki.bob.certificate],
      }),
    )
    expect((await who(port, pki.bob)).status).toBe(200)
    const socket = await handshake(port, { key: pki.bob.privateKey, cert: pki.bob.certificate })
    expect(socket.getPeerX509Certificate()?.fingerprint256).toBe(
      new X509Certificate(renewed.certificate).fingerprint256,
    )
  })

  it('keeps everything when the new material is unusable', async () => {
    const { port, server } = await startWith({ trustedCertificates: [pki.alice.certificate] })
    const bad = [{ key: 'garbage' }, { trustedCertificates: ['garbage'] }]
    for (const o of bad) {
      expect(() => server.reloadTls(serving(o))).toThrow(
        expect.objectContaining({ code: 'ERR_SETTINGS' }),
      )
    }
    expect((await who(port, pki.alice)).status).toBe(200)
    await expect(who(port, pki.bob)).rejects.toThrow(cut)
  })

  it('asks identify for every request of a connection', async () => {
    let disabled = false
    const known = byCertificate()
    const { port } = await startWith(
      {},
      { identify: (peer) => (disabled ? undefined : known(peer)) },
    )
    const agent = agentFor(pki.alice)
    expect((await who(port, undefined, agent)).status).toBe(200)
    disabled = true
    expect((await who(port, undefined, agent)).status).toBe(401)
  })

  it('takes the identity of a certificate that expires from its open connection', async () => {
    let now = new Date()
    const { port } = await startWith({}, { clock: { now: () => now } })
    const agent = agentFor(pki.alice)
    expect((await who(port, undefined, agent)).status).toBe(200)
    now = new Date(Date.now() + 31 * 86_400_000)
    expect((await who(port, undefined, agent)).status).toBe(401)
  })
})
