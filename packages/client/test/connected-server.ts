/** A server whose answers a test gives, and what connects to it; both are closed after each test of the file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { Transport } from '../src/transport/transport.js'
import { makePair, type Pair, type RealServer, startServer } from './real-server.js'

export interface Connected {
  readonly transport: Transport
  readonly seen: RealServer['seen']
}

type Connect = (answer: Parameters<typeof startServer>[0]) => Promise<Connected>

export function useServer(): Connect {
  let folder: string
  let pair: Pair
  let server: RealServer | undefined
  let transport: Transport | undefined
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'client-'))
    pair = makePair(folder, 'server')
  })
  afterEach(async () => {
    await transport?.destroy()
    await server?.close()
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  return async (answer) => {
    server = await startServer(answer, pair)
    transport = new Transport({ url: server.url, tls: { ca: [pair.cert] } })
    return { transport, seen: server.seen }
  }
}
