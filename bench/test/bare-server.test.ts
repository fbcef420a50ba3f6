/** A server of the benchmarks that dies must end the benchmark, not let it wait. */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { issueClientCertificate, makeAuthority, makeSelfSigned } from '@keyhsm/service'
import { expect, it, onTestFinished } from 'vitest'

interface Exchange {
  exchange(request: Buffer): Promise<string>
  close(): void
}

interface Pair {
  readonly key: string
  readonly cert: string
}
interface Server {
  readonly host?: string
  readonly port: number
  readonly ca: string
}

const { startBareServer } = (await import(
  new URL('../lib/bare-process.mjs', import.meta.url).href
)) as {
  startBareServer(options: {
    readonly tls?: Pair & { readonly ca?: string }
    readonly answers: Readonly<Record<string, string>>
    readonly asks?: Server & Pair & { readonly path: string; readonly body: unknown }
  }): Promise<{ readonly port: number; readonly pid: number; stop(): void }>
}
const { Connection } = (await import(new URL('../lib/connection.mjs', import.meta.url).href)) as {
  readonly Connection: {
    open(server: Server & Partial<Pair>): Promise<{
      call(method: string, path: string, body: unknown): Promise<unknown>
      close(): void
    }>
  }
}
const { HttpLoad } = (await import(new URL('../lib/http-load.mjs', import.meta.url).href)) as {
  readonly HttpLoad: { open(server: { readonly url: string }): Promise<Exchange> }
}

async function open() {
  const server = await startBareServer({ answers: { '/a': '{"b":1}' } })
  const load = await HttpLoad.open({ url: `http://127.0.0.1:${server.port}` })
  onTestFinished(() => {
    load.close()
    server.stop()
  })
  const ask = (path: string) =>
    load.exchange(Buffer.from(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`))
  return { server, ask }
}

it('answers what it was given, and 404 for the rest', async () => {
  const { ask } = await open()
  expect(await ask('/a')).toMatch(/^HTTP\/1.1 200 OK[^]*\r\n\r\n\{"b":1\}$/)
  await expect(ask('/other')).rejects.toThrow(/^HTTP\/1.1 404/)
  expect(await ask('/a')).toContain('{"b":1}')
})

it('that cannot listen is an error', async () => {
  const tls = { key: 'no key', cert: 'no certificate' }
  await expect(startBareServer({ tls, answers: {} })).rejects.toThrow(
    'the bare server ended with 1',
  )
})

it('that is killed fails the request that waits and every one after it', async () => {
  const { server, ask } = await open()
  process.kill(server.pid, 'SIGSTOP')
  const waiting = ask('/a')
  process.kill(server.pid, 'SIGKILL')
  await expect(waiting).rejects.toThrow(/hung up|ECONNRESET/)
  // The end of the connection has two events, of which each fails one request that waits: the third finds it ended.
  for (let times = 0; times < 3; times++)
    await expect(ask('/a')).rejects.toThrow(/hung up|ECONNRESET/)
})

/** A pair for the servers, and one of a client whom they let in. */
async function makePairs() {
  const server = await makeSelfSigned({
    commonName: 'bare',
    subjectAltNames: ['127.0.0.1'],
    days: 1,
    usage: 'server',
  })
  const authority = await makeAuthority({ commonName: 'authority', days: 1 })
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKeyDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const certificate = await issueClientCertificate({
    authority,
    publicKeyDer,
    commonName: 'client',
    days: 1,
  })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    tls: { key: server.privateKey, cert: server.certificate, ca: authority.certificate },
    client: { ca: server.certificate, cert: certificate, key },
  }
}

it('asks another one before each answer, and fails with it; neither lets a stranger in', async () => {
  const { tls, client } = await makePairs()
  const inner = await startBareServer({ tls, answers: { '/in': '{}' } })
  onTestFinished(() => inner.stop())
  const asks = { ...client, port: inner.port, path: '/in', body: { a: 1 } }
  const outer = await startBareServer({ tls, answers: { '/out': '{"b":2}' }, asks })
  onTestFinished(() => outer.stop())
  const open = async (pair: Partial<Pair>) => {
    const address = { host: '127.0.0.1', port: outer.port, ca: client.ca }
    const connection = await Connection.open({ ...address, ...pair })
    onTestFinished(() => connection.close())
    return connection
  }
  const { cert, key } = client
  const connection = await open({ cert, key })
  expect(await connection.call('PUT', '/out', {})).toEqual({ b: 2 })
  expect(await connection.call('PUT', '/out', {})).toEqual({ b: 2 })
  const stranger = async () => (await open({})).call('PUT', '/out', {})
  await expect(stranger()).rejects.toThrow()
  process.kill(inner.pid, 'SIGKILL')
  await expect(connection.call('PUT', '/out', {})).rejects.toThrow(/hung up|ECONNRESET/)
})
