/** A server of the benchmarks that dies must end the benchmark, not let it wait. */
import { expect, it, onTestFinished } from 'vitest'

interface Exchange {
  exchange(request: Buffer): Promise<string>
  close(): void
}

const { startBareServer } = (await import(
  new URL('../lib/bare-process.mjs', import.meta.url).href
)) as {
  startBareServer(options: {
    readonly tls?: { readonly key: string; readonly cert: string }
    readonly answers: Readonly<Record<string, string>>
  }): Promise<{ readonly port: number; readonly pid: number; stop(): void }>
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
