import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { answering, start } from '../support/server.js'

const status = answering({ method: 'GET', path: '/status', maxBodyBytes: 0 }, async () => ({}))

describe('a TCP address', () => {
  it('that is taken is named', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    await expect(
      start({ listen: { host: '127.0.0.1', port }, routes: [status] }),
    ).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: `cannot listen on 127.0.0.1:${port}: another program listens there`,
    })
  })

  it.each([
    ['192.0.2.1', 1, 'this machine does not have that address'],
    ['127.0.0.1', 70_000, 'a port is 0 to 65535'],
  ])('%s:%d is refused: %s', async (host, port, words) => {
    await expect(start({ listen: { host, port }, routes: [status] })).rejects.toMatchObject({
      code: 'ERR_SETTINGS',
      message: `cannot listen on ${host}:${port}: ${words}`,
    })
  })
})
