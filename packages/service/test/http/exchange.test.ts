import { once } from 'node:events'
import net from 'node:net'
import tls from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makePki } from '../support/pki.js'
import { answering, start } from '../support/server.js'

/** Sends only the headers of a request with a body of 3 MB, and gives the status that comes back meanwhile. */
async function statusBeforeBody(socket: net.Socket, path: string): Promise<number> {
  onTestFinished(() => {
    socket.destroy()
  })
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\n\r\n`,
  )
  const [bytes] = (await once(socket, 'data')) as [Buffer]
  return Number(bytes.toString().split(' ')[1])
}

describe('before the body is read', () => {
  const open = answering({ path: '/open' }, async () => ({}))
  const closed = answering(
    { path: '/closed', access: 'client', maxBodyBytes: 2 ** 24 },
    async () => ({}),
  )

  it('a body that is too long is refused', async () => {
    const { port } = await start({ routes: [open] })
    expect(await statusBeforeBody(net.connect(port, '127.0.0.1'), '/open')).toBe(413)
  })

  it('a stranger is refused over TLS', async () => {
    const { server } = await makePki()
    const { port } = await start({
      routes: [open, closed],
      tls: {
        key: server.privateKey,
        cert: server.certificate,
        rejectUnauthorized: false,
        trustedCertificates: [],
      },
    })
    const connect = () => tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    expect(await statusBeforeBody(connect(), '/closed')).toBe(401)
    expect(await statusBeforeBody(connect(), '/open')).toBe(413)
  })
})
