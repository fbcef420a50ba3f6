/**
 * A server of node:http (node:https with a pair) that does nothing: it reads a request to its end and answers the bytes it was given for that
 * path. What is left of a rate when all that a product does is taken away. With `asks` it asks another such server first, as a service
 * does that needs another one. Its options come as JSON on standard input; it says its port in a line, and ends when standard
 * input does.
 */
import { createServer as createPlain } from 'node:http'
import { createServer as createTls } from 'node:https'
import { createInterface } from 'node:readline'
import { Connection } from './connection.mjs'

const input = createInterface({ input: process.stdin })
input.once('line', (line) => {
  const { tls, answers, asks } = JSON.parse(line)
  const answer = (request, response) => {
    const body = answers[request.url]
    request.resume().on('end', async () => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body ?? ''),
      }
      try {
        if (asks) await ask(request.socket, asks)
        response.writeHead(body === undefined ? 404 : 200, headers).end(body)
      } catch {
        response.destroy()
      }
    })
  }
  const server = tls
    ? createTls({ ...tls, requestCert: tls.ca !== undefined }, answer)
    : createPlain(answer)
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
  input.once('close', () => process.exit())
})

/** A connection for each of our callers', so that as many ask at once as ask us. */
const asking = new WeakMap()

async function ask(socket, { path, body, ...server }) {
  let opening = asking.get(socket)
  if (!opening) {
    opening = Connection.open({ host: '127.0.0.1', ...server })
    asking.set(socket, opening)
    const close = () => void opening.then((connection) => connection.close()).catch(() => {})
    socket.once('close', close)
  }
  await (await opening).call('POST', path, body)
}
