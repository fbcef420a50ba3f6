/** Free TCP ports on loopback, the usual ones where they are free. */
import { createServer } from 'node:net'

/** `wanted` when nothing listens on it, else any free port. */
export async function freePort(wanted) {
  return (await tryListen(wanted)) ?? (await tryListen(0))
}

function tryListen(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: got } = server.address()
      server.close(() => resolve(got))
    })
  })
}
