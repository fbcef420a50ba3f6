/** Binds a server to its address, and says in an operator's words why it cannot. */
import { chmod } from 'node:fs/promises'
import type { Server } from 'node:net'
import { DomainError, type ErrorCode } from '@keyhsm/core'
import { claimSocketPath } from './control-socket.js'
import type { HttpServer, Listen } from './options.js'

const faults: Readonly<Record<string, { code: ErrorCode; words: string }>> = {
  EADDRINUSE: { code: 'ERR_UNAVAILABLE', words: 'another program listens there' },
  EADDRNOTAVAIL: { code: 'ERR_SETTINGS', words: 'this machine does not have that address' },
  EACCES: { code: 'ERR_SETTINGS', words: 'this user may not listen there' },
  ENOTFOUND: { code: 'ERR_SETTINGS', words: 'no such host name' },
  ERR_SOCKET_BAD_PORT: { code: 'ERR_SETTINGS', words: 'a port is 0 to 65535' },
}

/** @throws ERR_UNAVAILABLE when the address is taken; ERR_SETTINGS when it cannot be had. Both name it. */
export async function listen(server: Server, where: Listen): Promise<HttpServer['address']> {
  if ('socketPath' in where) {
    await claimSocketPath(where.socketPath)
    await bind(server, { path: where.socketPath }, where.socketPath)
    await chmod(where.socketPath, 0o600)
    return { socketPath: where.socketPath }
  }
  await bind(server, where, `${where.host}:${where.port}`)
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : where.port
  return { host: where.host, port }
}

function bind(
  server: Server,
  where: { host: string; port: number } | { path: string },
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException) => {
      const fault = faults[cause.code ?? ''] ?? {
        code: 'ERR_SETTINGS',
        words: cause.code ?? 'unknown reason',
      }
      reject(new DomainError(fault.code, `cannot listen on ${name}: ${fault.words}`, { cause }))
    }
    server.once('error', fail)
    try {
      server.listen({ ...where, exclusive: true }, () => {
        server.off('error', fail)
        resolve()
      })
    } catch (error) {
      fail(error as NodeJS.ErrnoException)
    }
  })
}
