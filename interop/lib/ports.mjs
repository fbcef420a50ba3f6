/** Free TCP ports on loopback, the usual ones where they are free. */
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the range from which Linux takes the local ports of outgoing connections (32768 and up): those of stacks that
 * run side by side could take ours between this check and the start of the service.
 */
const range = { first: 20_000, last: 32_000 }

/** `wanted` when nothing listens on it, else any free port. */
export async function freePort(wanted) {
  if (wanted && (await isFree(wanted))) return wanted
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(range.first, range.last)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port between ${range.first} and ${range.last}`)
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      server.close(() => resolve(true))
    })
  })
}
