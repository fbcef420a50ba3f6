import { generateKeyPairSync, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DomainError, Fingerprint } from '@keyhsm/core'
import {
  defineRoute,
  parseRequestSignature,
  signatureHeader,
  signedMessage,
} from '@keyhsm/protocol'
import Type from 'typebox'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { mayHaveBeenProcessed } from '../../src/transport/faults.js'
import { fetchServerCertificate } from '../../src/transport/fetch-server-certificate.js'
import { fingerprintOf } from '../../src/transport/server-check.js'
import { Transport, type TransportOptions } from '../../src/transport/transport.js'
import { makePair, type Pair, type RealServer, replyJson, startServer } from '../real-server.js'

const Anything = Type.Record(Type.String(), Type.Unknown())
const route = defineRoute({
  method: 'POST',
  path: '/v1/things/:name',
  access: 'anyone',
  params: Type.Object({ name: Type.String() }),
  query: Anything,
  body: Anything,
  reply: Type.Object({ ok: Type.Boolean() }),
  success: 200,
  maxBodyBytes: 1024,
  deadlineMs: 10_000,
  summary: 'a route for tests',
})

let folder: string
let pairs: Record<'ca' | 'issued' | 'other' | 'client' | 'lone', Pair>
const opened: { close(): Promise<void> }[] = []
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'transport-'))
  const ca = makePair(folder, 'test-ca')
  const [issued, client] = [
    makePair(folder, 'localhost', 'test-ca'),
    makePair(folder, 'client', 'test-ca'),
  ]
  pairs = { ca, issued, client, other: makePair(folder, 'other'), lone: makePair(folder, 'lone') }
})
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

type Answer = Parameters<typeof startServer>[0]
const ok: Answer = (_seen, response) => replyJson(response, { ok: true })

async function serve(answer: Answer = ok, tls: object = pairs.lone): Promise<RealServer> {
  const server = await startServer(answer, tls)
  opened.push(server)
  return server
}

function transportTo(options: TransportOptions): Transport {
  const transport = new Transport(options)
  opened.push({ close: () => transport.destroy() })
  return transport
}

function pinned(server: RealServer, more: Partial<TransportOptions> = {}): Transport {
  return transportTo({ url: server.url, tls: { ca: [pairs.lone.cert] }, ...more })
}

/** The error of a call, and whether its work may have been done. */
async function failure(transport: Transport) {
  const error: DomainError = await transport.call(route, { params: { name: 'a' } }).then(
    () => {
      throw new Error('the call succeeded')
    },
    (thrown) => thrown,
  )
  return { code: error.code, text: error.message, maybe: mayHaveBeenProcessed(error), error }
}

/** A server that knows nobody, whose clock is `aheadMs` from ours. */
function refusing(aheadMs: number): Answer {
  return (_seen, response) => {
    response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString())
    response.statusCode = 401
    response.setHeader('content-type', 'application/problem+json')
    response.end(JSON.stringify({ code: 'ERR_NOT_AUTHENTICATED', detail: 'not known' }))
  }
}

describe('a caller who is not known', () => {
  it.each([
    ['behind', 3_600_000],
    ['ahead of', -3_600_000],
  ])('is told that the clock here is %s the server’s', async (how, aheadMs) => {
    const { error } = await failure(pinned(await serve(refusing(aheadMs))))
    expect(error.code).toBe('ERR_NOT_AUTHENTICATED')
    expect(error.hints.join()).toMatch(
      new RegExp(`^the clock here is 3[56]\\d\\d s ${how} the server's$`),
    )
  })

  it('is told nothing of clocks that agree', async () => {
    const { error } = await failure(pinned(await serve(refusing(1000))))
    expect(error.hints).toEqual([])
  })
})

describe('Transport.call', () => {
  it('sends parameters, query, headers and body as the route says', async () => {
    const server = await serve()
    const call = { params: { name: 'a/b ü' }, query: { q: 'x&y', none: undefined }, body: { n: 1 } }
    const reply = await pinned(server).call(route, { ...call, headers: { 'if-match': '"3"' } })
    expect(reply).toEqual({ ok: true })
    expect(server.seen).toMatchObject([
      { method: 'POST', url: '/v1/things/a%2Fb%20%C3%BC?q=x%26y', body: '{"n":1}' },
    ])
    expect(server.seen[0]?.headers).toMatchObject({
      'content-type': 'application/json',
      'if-match': '"3"',
    })
  })

  it('reuses connections and never resumes a TLS session', async () => {
    const server = await serve((seen, response) => {
      if (server.seen.length === 4) response.setHeader('connection', 'close')
      ok(seen, response)
    })
    const transport = pinned(server)
    for (let n = 0; n < 12; n += 1) await transport.call(route, { params: { name: 'a' } })
    expect(server.connections()).toBeLessThanOrEqual(4)
    expect(server.seen.some((seen) => seen.resumed)).toBe(false)
  })

  it('throws the error of a problem document, with the longer facts of the headers', async () => {
    const problem = {
      status: 503,
      code: 'ERR_HSM_UNAVAILABLE',
      detail: 'no HSM now',
      requestId: 'R-1',
    }
    const server = await serve((_, response) => {
      response.setHeader('retry-after', '3')
      replyJson(response, problem, 503)
    })
    const { error, maybe } = await failure(pinned(server))
    expect(error).toMatchObject({
      code: 'ERR_HSM_UNAVAILABLE',
      message: 'no HSM now',
      retryAfterMs: 3000,
    })
    expect(error.hints).toEqual(["the server's audit has the reason under request R-1"])
    expect(maybe).toBe(true)
  })

  it.each([
    ['no JSON', 200, 'hello'],
    ['another shape', 200, '{"ok":"yes"}'],
    ['a status without a problem', 502, '<html>'],
  ])('refuses %s', async (_, status, text) => {
    const server = await serve((_seen, response) => void response.writeHead(status).end(text))
    expect(await failure(pinned(server))).toMatchObject({ code: 'ERR_UNAVAILABLE', maybe: true })
  })

  it('says that nothing was sent when it cannot connect', async () => {
    const server = await serve()
    await server.close()
    const { code, text, maybe } = await failure(pinned(server))
    expect([code, maybe]).toEqual(['ERR_UNAVAILABLE', false])
    expect(text).toBe(`cannot talk to ${server.url}: connection refused`)
  })

  it('says that the work may be done when the connection breaks or time runs out', async () => {
    const broken = await serve((_, response) => response.socket?.destroy())
    expect(await failure(pinned(broken))).toMatchObject({ code: 'ERR_UNAVAILABLE', maybe: true })
    const mute = await serve(() => {})
    const late = await failure(pinned(mute, { timeoutMs: 50 }))
    expect(late).toMatchObject({ code: 'ERR_UNAVAILABLE', maybe: true })
    expect(late.text).toContain('no answer in time')
  })

  it('gives up when the caller does', async () => {
    const caller = new AbortController()
    const server = await serve(() => caller.abort())
    const { signal } = caller
    const call = pinned(server).call(route, { params: { name: 'a' }, signal })
    await expect(call).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    const late = pinned(server).call(route, { params: { name: 'a' }, signal })
    await expect(late).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    expect(server.seen).toHaveLength(1)
  })
})

describe('the server of a Transport', () => {
  it('may be a pinned leaf under any name, or one that a pinned CA issued under its name', async () => {
    expect(await pinned(await serve()).call(route, { params: { name: 'a' } })).toEqual({ ok: true })
    const { port } = await serve(ok, pairs.issued)
    const tls = { ca: [pairs.ca.cert] }
    const named = transportTo({ url: `https://localhost:${port}`, tls })
    expect(await named.call(route, { params: { name: 'a' } })).toEqual({ ok: true })
    const unnamed = await failure(transportTo({ url: `https://127.0.0.1:${port}`, tls }))
    expect(unnamed).toMatchObject({ code: 'ERR_NOT_AUTHENTICATED', maybe: false })
    expect(unnamed.text).toContain('it names another host')
  })

  it('may be a pinned leaf whose CA is unknown', async () => {
    const server = await serve(ok, pairs.issued)
    const transport = transportTo({ url: server.url, tls: { ca: [pairs.issued.cert] } })
    expect(await transport.call(route, { params: { name: 'a' } })).toEqual({ ok: true })
  })

  it.each([
    ['another certificate', () => ({ ca: [pairs.other.cert] })],
    ['no public CA', () => ({ ca: [] })],
    [
      'another fingerprint',
      () => ({ ca: [pairs.lone.cert], pinnedFingerprint: '0'.repeat(64) as Fingerprint }),
    ],
  ])('is refused before a byte is sent when the pins say %s', async (_, tls) => {
    const server = await serve()
    const outcome = await failure(transportTo({ url: server.url, tls: tls() }))
    expect(outcome).toMatchObject({ code: 'ERR_NOT_AUTHENTICATED', maybe: false })
    expect(outcome.text).toContain('is not trusted')
    expect(server.seen).toEqual([])
  })

  it('may be another one from when its pin is taken, also for connections that are being made', async () => {
    const server = await serve(ok, pairs.other)
    const door = createServer((socket) => {
      transport.pin([pairs.other.cert])
      socket
        .pipe(connect(server.port, '127.0.0.1').on('error', () => socket.destroy()))
        .pipe(socket)
      socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve))
    opened.push({ close: async () => void door.close() })
    const { port } = door.address() as AddressInfo
    const transport = pinned(server, { url: `https://127.0.0.1:${port}` })
    const call = { params: { name: 'a' } }
    expect((await failure(pinned(server))).code).toBe('ERR_NOT_AUTHENTICATED')
    expect(await transport.call(route, call)).toEqual({ ok: true })
    transport.pin([pairs.lone.cert])
    expect(await transport.call(route, call), 'a connection that exists').toEqual({ ok: true })
  })

  it('passes with the right fingerprint', async () => {
    const server = await serve()
    const pinnedFingerprint = fingerprintOf(await fetchServerCertificate(server.url))
    const tls = { ca: [pairs.lone.cert], pinnedFingerprint }
    expect(
      await transportTo({ url: server.url, tls }).call(route, { params: { name: 'a' } }),
    ).toEqual({ ok: true })
  })

  it('may refuse the client certificate', async () => {
    const tls = { ...pairs.lone, ca: [pairs.ca.cert], requestCert: true, rejectUnauthorized: true }
    const server = await serve(ok, tls)
    const ca = [pairs.lone.cert]
    const known = transportTo({ url: server.url, tls: { ca, ...pairs.client } })
    expect(await known.call(route, { params: { name: 'a' } })).toEqual({ ok: true })
    const none = await failure(transportTo({ url: server.url, tls: { ca } }))
    expect(none).toMatchObject({ code: 'ERR_NOT_AUTHENTICATED', maybe: false })
    // Node closes without saying why.
    const unknown = await failure(transportTo({ url: server.url, tls: { ca, ...pairs.other } }))
    expect(unknown).toMatchObject({ code: 'ERR_UNAVAILABLE', maybe: true })
    expect(unknown.error.hints).toEqual([
      'perhaps the server does not accept this client certificate',
    ])
    expect(server.seen).toHaveLength(1)
  })

  it('must speak TLS', async () => {
    const plain = await startServer(ok)
    opened.push(plain)
    expect(await failure(pinned(plain))).toMatchObject({ code: 'ERR_UNAVAILABLE', maybe: false })
    await expect(fetchServerCertificate(plain.url)).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
    })
  })

  it.each(['http://127.0.0.1:1', 'https://user:pw@h', 'https://h/path', 'h:1', '', undefined])(
    'is not accepted as %j',
    (url) => {
      expect(() => new Transport({ url })).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_INPUT' }),
      )
    },
  )
})

describe('Transport on a control socket', () => {
  it('signs every request', async () => {
    const socketPath = join(folder, 'control')
    const server = await startServer(ok, undefined, socketPath)
    opened.push(server)
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const transport = transportTo({ socketPath, signer: { name: 'ann', privateKey } })
    await transport.call(route, { params: { name: 'a' }, body: { n: 1 } })
    const [seen] = server.seen
    const by = parseRequestSignature(String(seen?.headers[signatureHeader]))
    expect(by?.name).toBe('ann')
    if (!by || !seen) throw new Error('nothing was signed')
    const message = signedMessage(
      { method: 'POST', path: seen.url, body: Buffer.from(seen.body) },
      by,
    )
    expect(verify(null, message, publicKey, by.signature)).toBe(true)
  })

  it('says when there is no service', async () => {
    const { text, code } = await failure(transportTo({ socketPath: join(folder, 'none') }))
    expect([code, text]).toEqual([
      'ERR_UNAVAILABLE',
      'cannot talk to the control socket: it is not running here',
    ])
  })
})

describe('fetchServerCertificate', () => {
  it('returns what the server shows, also where it asks for a client certificate', async () => {
    const tls = { ...pairs.lone, ca: [pairs.ca.cert], requestCert: true, rejectUnauthorized: true }
    const server = await serve(ok, tls)
    expect((await fetchServerCertificate(server.url)).toString()).toBe(pairs.lone.cert)
    expect(server.seen).toEqual([])
  })

  it('fails when nobody listens', async () => {
    const server = await serve()
    await server.close()
    await expect(fetchServerCertificate(server.url)).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: `cannot talk to ${server.url}: connection refused`,
    })
  })
})
