import https from 'node:https'
import net from 'node:net'
import tls from 'node:tls'
import { setTimeout as pause } from 'node:timers/promises'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { makePki, type Pki } from '../support/pki.js'
import { answering, ask, start } from '../support/server.js'

let pki: Pki
beforeAll(async () => {
  pki = await makePki()
})

/** A promise and the way to resolve it. */
function deferred<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

/** A route that answers when told to, over TLS. */
async function gated() {
  const gate = deferred<void>()
  const begun = deferred<void>()
  const aborted = deferred<unknown>()
  const slow = answering({ path: '/slow' }, async ({ signal }) => {
    signal.addEventListener('abort', () => aborted.resolve(signal.reason))
    begun.resolve()
    await gate.promise
    return { said: 'finished' }
  })
  const quick = answering({ path: '/quick' }, async () => ({ said: 'quick' }))
  const started = await start({
    routes: [slow, quick],
    tls: {
      key: pki.server.privateKey,
      cert: pki.server.certificate,
      rejectUnauthorized: false,
      trustedCertificates: [],
    },
  })
  return { ...started, gate, begun, aborted }
}

function keepAlive(): https.Agent {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false })
  onTestFinished(() => agent.destroy())
  return agent
}

/** Resolves when the server has closed this connection. */
function closed(socket: net.Socket): Promise<void> {
  socket.on('error', () => {})
  socket.resume()
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

describe('drain', () => {
  it('finishes what is in flight, refuses what comes, and closes idle connections', async () => {
    const { server, port, gate, begun } = await gated()
    const idle = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    await new Promise((resolve) => idle.once('secureConnect', resolve))
    const unshaken = net.connect(port, '127.0.0.1')
    await new Promise((resolve) => unshaken.once('connect', resolve))
    const ends = [closed(idle), closed(unshaken)]

    const answer = ask({ port, path: '/slow' })
    await begun.promise
    expect(server.inFlight()).toBe(1)
    const drained = server.drain(5_000)
    await expect(ask({ port, path: '/quick' })).rejects.toThrow('ECONNREFUSED')
    gate.resolve()
    const { json, headers } = await answer
    expect(json).toEqual({ said: 'finished' })
    expect(headers.connection).toBe('close')
    await drained
    await Promise.all(ends)
    expect(server.inFlight()).toBe(0)
  })

  it('turns away a new request on a connection that is still open', async () => {
    const { server, port, gate, begun } = await gated()
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    let text = ''
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString()
    })
    const end = closed(socket)
    socket.write('POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await begun.promise
    const drained = server.drain(5_000)
    socket.write('POST /quick HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await pause(50)
    gate.resolve()
    await Promise.all([drained, end])
    expect(text).toContain('finished')
    expect(text).not.toContain('"said":"quick"')
  })

  it('cuts what is still in flight after its time, and tells the handler', async () => {
    const { server, port, begun, aborted } = await gated()
    const answer = ask({ port, path: '/slow' })
    const failed = expect(answer).rejects.toThrow(/hang up|ECONNRESET/)
    await begun.promise
    await server.drain(50)
    await failed
    expect(await aborted.promise).toMatchObject({ code: 'ERR_UNAVAILABLE' })
  })

  it('ends at once when nothing is in flight, and may be followed by close', async () => {
    const { server, port } = await gated()
    const agent = keepAlive()
    await ask({ port, path: '/quick', agent })
    const began = Date.now()
    await server.drain(10_000)
    await server.close()
    await server.drain(10_000)
    expect(Date.now() - began).toBeLessThan(5_000)
  })
})

describe('close', () => {
  it('cuts everything at once', async () => {
    const { server, port, begun } = await gated()
    const failed = expect(ask({ port, path: '/slow' })).rejects.toThrow(/hang up|ECONNRESET/)
    await begun.promise
    await server.close()
    await failed
    await expect(ask({ port, path: '/quick' })).rejects.toThrow('ECONNREFUSED')
  })
})

describe('a caller who goes away', () => {
  it('aborts the signal and is no longer counted', async () => {
    const { server, port, begun, aborted } = await gated()
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    socket.on('error', () => {})
    socket.write('POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n')
    await begun.promise
    socket.destroy()
    expect(await aborted.promise).toMatchObject({ code: 'ERR_UNAVAILABLE' })
    expect(server.inFlight()).toBe(0)
  })
})

describe('the number of connections', () => {
  it('is bounded', async () => {
    const route = answering({}, async () => ({}))
    const { port } = await start({ routes: [route], limits: { maxConnections: 2 } })
    const held = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<net.Socket>((resolve) => {
            const socket = net.connect(port, '127.0.0.1', () => resolve(socket))
            onTestFinished(() => void socket.destroy())
          }),
      ),
    )
    await expect(ask({ port, tls: false })).rejects.toThrow(/hang up|ECONNRESET/)
    const freed = closed(held[0] as net.Socket)
    held[0]?.destroy()
    await freed
    await expect
      .poll(() =>
        ask({ port, tls: false }).then(
          (a) => a.status,
          () => 0,
        ),
      )
      .toBe(200)
  })
})
