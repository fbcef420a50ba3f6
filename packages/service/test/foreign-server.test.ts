import http from 'node:http'
import { connect } from 'node:net'
import { DomainError, toDomainError } from '@keyhsm/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type ForeignServerOptions,
  startForeignServer,
  toReasonPhrase,
} from '../src/foreign-server.js'
import type { HttpServer } from '../src/http-server.js'

const servers: HttpServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

async function start(options: Partial<ForeignServerOptions> = {}) {
  const server = await startForeignServer({
    listen: { host: '127.0.0.1', port: 0 },
    maxBodyBytes: 1000,
    deadlineMs: 5_000,
    handle: async ({ method, target, headers, body }) => ({
      status: 200,
      headers: { 'content-type': 'text/plain' },
      body: `${method} ${target} ${headers['x-long']?.length ?? 0} ${body.length}`,
    }),
    refuse: (error) => ({ status: 599, body: toDomainError(error).code }),
    onError: () => {},
    ...options,
  })
  servers.push(server)
  const { port } = server.address as { port: number }
  return { server, port }
}

/** Raw bytes in, raw text out: what clients of foreign protocols really send. */
function send(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.on('data', (chunk) => {
      got += String(chunk)
    })
    socket.on('close', () => resolve(got))
    socket.on('error', reject)
  })
}
const head = 'Host: x\r\nConnection: close\r\n'

describe('a server of a foreign protocol', () => {
  it('takes requests without body, length and type, and paths as they are', async () => {
    const { port } = await start()
    expect(await send(port, `POST /a%2Fb/"c"?q=%31 HTTP/1.1\r\n${head}\r\n`)).toContain(
      'POST /a%2Fb/"c"?q=%31 0 0',
    )
    expect(await send(port, `PUT /x HTTP/1.1\r\n${head}Content-Type: any\r\n\r\n`)).toContain(
      'PUT /x 0 0',
    )
    const chunked = `POST /x HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
    expect(await send(port, chunked)).toContain('POST /x 0 3')
  })

  it('answers HEAD without a body', async () => {
    const { port } = await start()
    const got = await send(port, `HEAD /x HTTP/1.1\r\n${head}\r\n`)
    expect(got).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(got.split('\r\n\r\n')[1]).toBe('')
  })

  it('takes headers as long as its limit', async () => {
    const { port } = await start({ limits: { maxHeaderBytes: 65_536 } })
    const long = `X-Long: ${'h'.repeat(60_000)}\r\n`
    expect(await send(port, `GET /x HTTP/1.1\r\n${head}${long}\r\n`)).toContain('GET /x 60000 0')
  })

  it('writes reason phrases of its own, cut to what HTTP can carry', async () => {
    const { port } = await start({
      handle: async () => ({ status: 403, reason: 'Größe – no\r\nInjected: yes', headers: {} }),
    })
    const got = await send(port, `GET / HTTP/1.1\r\n${head}\r\n`)
    expect(got).toContain('HTTP/1.1 403 Gr')
    expect(got).not.toContain('Injected')
    expect(toReasonPhrase('a\nb')).toBe('a')
    expect(toReasonPhrase('Ключ')).toBe('????')
  })

  it('refuses bodies above the limit, announced or not, in the protocol’s own words', async () => {
    const { port } = await start()
    const announced = `POST /x HTTP/1.1\r\n${head}Content-Length: 2000\r\n\r\n${'b'.repeat(2000)}`
    expect(await send(port, announced)).toMatch(/^HTTP\/1\.1 599[\s\S]*ERR_TOO_LARGE$/)
    const chunk = `${(2000).toString(16)}\r\n${'b'.repeat(2000)}\r\n0\r\n\r\n`
    const chunked = `POST /x HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`
    expect(await send(port, chunked)).toMatch(/ERR_TOO_LARGE$/)
  })

  it('answers what the handler throws, and reports it', async () => {
    const told: string[] = []
    const { port } = await start({
      handle: async () => {
        throw new DomainError('ERR_NOT_FOUND', 'none')
      },
      onError: (error) => told.push(error.code),
    })
    expect(await send(port, `GET / HTTP/1.1\r\n${head}\r\n`)).toContain('ERR_NOT_FOUND')
    expect(told).toEqual(['ERR_NOT_FOUND'])
  })

  it('answers at the deadline', async () => {
    const { port } = await start({ deadlineMs: 50, handle: () => new Promise(() => {}) })
    expect(await send(port, `GET / HTTP/1.1\r\n${head}\r\n`)).toContain('ERR_BUSY')
  })

  it('says whether a reply was delivered', async () => {
    const seen: Promise<boolean>[] = []
    let release = () => {}
    const { port } = await start({
      handle: async (request) => {
        seen.push(request.delivered)
        if (request.target === '/wait')
          await new Promise<void>((resolve) => {
            release = resolve
          })
        return { status: 200 }
      },
    })
    await send(port, `GET / HTTP/1.1\r\n${head}\r\n`)
    expect(await seen[0]).toBe(true)
    const gone = http.get({ port, host: '127.0.0.1', path: '/wait' }).on('error', () => {})
    while (seen.length < 2) await new Promise((resolve) => setImmediate(resolve))
    gone.destroy()
    expect(await seen[1]).toBe(false)
    release()
  })

  it('finishes what is under way when it drains, and turns away what comes', async () => {
    let release = () => {}
    const { server, port } = await start({
      handle: () =>
        new Promise((resolve) => {
          release = () => resolve({ status: 200, body: 'done' })
        }),
    })
    const answer = send(port, `GET / HTTP/1.1\r\nHost: x\r\n\r\n`)
    while (server.inFlight() === 0) await new Promise((resolve) => setImmediate(resolve))
    const drained = server.drain(5_000)
    release()
    await drained
    expect(await answer).toContain('done')
    await expect(send(port, '')).rejects.toThrow('ECONNREFUSED')
  })

  it('answers what is no HTTP', async () => {
    const { port } = await start()
    expect(await send(port, 'nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400/)
  })
})
