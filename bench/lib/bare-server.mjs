/**
 * A server of node:http (node:https with a pair) that does nothing: it reads a request to its end and answers the bytes it was given for that
 * path. What is left of a rate when all that a product does is taken away. Its options come as JSON on standard input; it says its
 * port in a line, and ends when standard input does.
 */
import { createServer as createPlain } from 'node:http'
import { createServer as createTls } from 'node:https'
import { createInterface } from 'node:readline'

const input = createInterface({ input: process.stdin })
input.once('line', (line) => {
  const { tls, answers } = JSON.parse(line)
  const answer = (request, response) => {
    const body = answers[request.url]
    request.resume().on('end', () => {
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body ?? ''),
      }
      response.writeHead(body === undefined ? 404 : 200, headers).end(body)
    })
  }
  const server = tls ? createTls(tls, answer) : createPlain(answer)
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
  input.once('close', () => process.exit())
})
