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
function holdsCommit(chunk: Buffer): boolean {
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
    let deaf = false
    client.on('data', (chunk: Buffer) => {
      const hit = holdsCommit(chunk)
      if (hit && proxy.cut === 'request') return void [client, backend].map((end) => end.destroy())
      deaf ||= hit && proxy.cut === 'answer'
      backend.write(chunk)
    })
    backend.on('data', (chunk: Buffer) => {
      if (deaf) [client, backend].map((end) => end.destroy())
      else client.write(chunk)
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
