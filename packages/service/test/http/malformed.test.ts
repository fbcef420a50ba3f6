import net from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { HttpLimits } from '../../src/http-server.js'
import { answering, start } from '../support/server.js'

/** Sends bytes as they are and gives everything that comes back until the server closes. */
async function raw(text: string, limits: Partial<HttpLimits> = {}): Promise<string> {
  const route = answering({ path: '/x' }, async () => ({ said: 'served' }))
  const { port } = await start({ routes: [route], limits })
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text))
    onTestFinished(() => void socket.destroy())
    let got = ''
    socket.on('data', (bytes: Buffer) => {
      got += bytes.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(got))
  })
}

/** Status and problem document of a raw answer. */
function parsed(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  expect(head).toContain('application/problem+json')
  expect(head).toContain('connection: close')
  return { status: Number(head.split(' ')[1]), problem: JSON.parse(body) }
}

const soon = { headersTimeoutMs: 120, requestTimeoutMs: 200 }

describe('what is not a request', () => {
  it.each([
    ['another protocol', '\x16\x03\x01\x00\x05hello\r\n\r\n'],
    [
      'two lengths',
      'POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    ],
    [
      'a length and chunks',
      'POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    ],
    ['a header with a line feed', 'POST /x HTTP/1.1\r\nhost: x\r\na: b\nc\r\n\r\n'],
  ])('is 400: %s', async (_what, text) => {
    expect(parsed(await raw(text))).toMatchObject({
      status: 400,
      problem: { code: 'ERR_INVALID_INPUT' },
    })
  })

  it('is 431 when the headers are too long', async () => {
    const text = `POST /x HTTP/1.1\r\nhost: x\r\na: ${'b'.repeat(9_000)}\r\n\r\n`
    expect(parsed(await raw(text))).toMatchObject({
      status: 431,
      problem: { code: 'ERR_TOO_LARGE' },
    })
  })

  it('is 408 when the headers do not end', async () => {
    expect(parsed(await raw('POST /x HTTP/1.1\r\nhost: x\r\n', soon))).toMatchObject({
      status: 408,
      problem: { code: 'ERR_BUSY' },
    })
  })

  it('is 408 when nothing comes', async () => {
    expect(parsed(await raw('', soon)).status).toBe(408)
  })

  it('is 408 when the body does not end', async () => {
    const text =
      'POST /x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'
    expect(await raw(text, soon)).toContain('HTTP/1.1 408')
  })

  it('is closed after a quiet time', async () => {
    const text = 'POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n'
    expect(await raw(text, { idleTimeoutMs: 100 })).toContain('served')
  })

  it('without a host is refused', async () => {
    expect(await raw('POST /x HTTP/1.1\r\n\r\n')).toContain('HTTP/1.1 400')
  })
})
