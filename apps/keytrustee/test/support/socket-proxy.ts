/** A socket in front of PostgreSQL's that can cut the line at a chosen message: what a broken network does, on demand. */
import { mkdtempSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { PostgresAddress } from '../../src/store/postgres/address.js'
import { removeDirectory } from './unprivileged.js'

/** `request`: COMMIT never reaches the server. `answer`: it does, and its answer never comes back. */
export type Cut = 'none' | 'request' | 'answer'

export interface SocketProxy {
  /** The same database, through the proxy. */
  readonly address: PostgresAddress
  cut: Cut
  close(): Promise<void>
}

/** A simple query message with this text. @see PostgreSQL 15 manual §55.7, Query */
function asksCommit(chunk: Buffer): boolean {
  return chunk.includes('commit\0')
}

export async function openSocketProxy(target: PostgresAddress): Promise<SocketProxy> {
  const directory = mkdtempSync('/tmp/kt-proxy-')
  const sockets = new Set<Socket>()
  const proxy = { cut: 'none' as Cut }
  const server = createServer((client) => {
    const backend = connect(join(target.host, `.s.PGSQL.${target.port}`))
    for (const socket of [client, backend]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    const cutBoth = () => [client, backend].map((end) => end.destroy())
    let swallowed: Buffer[] | undefined
    client.on('data', (chunk: Buffer) => {
      const hit = asksCommit(chunk)
      if (hit && proxy.cut === 'answer') swallowed ??= []
      if (hit && proxy.cut === 'request') cutBoth()
      else backend.write(chunk)
    })
    backend.on('data', (chunk: Buffer) => {
      // Only when the server said that it committed is the line cut.
      swallowed?.push(chunk)
      if (!swallowed) client.write(chunk)
      else if (Buffer.concat(swallowed).includes('COMMIT\0')) cutBoth()
    })
    client.on('close', () => backend.end())
    backend.on('close', () => client.end())
  })
  await listen(server, join(directory, `.s.PGSQL.${target.port}`))
  return Object.assign(proxy, {
    address: { ...target, host: directory },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      removeDirectory(directory)
    },
  })
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(path, resolve)
  })
}
