/** The body of a reply by node:http, of a server that is not to be believed about its length. */
import type { ClientRequest, IncomingMessage } from 'node:http'

/** Resolves at its end. Rejects when it breaks off, or after `maxBytes`: the request is then destroyed. */
export function readBody(
  request: ClientRequest,
  response: IncomingMessage,
  maxBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > maxBytes) request.destroy(new Error('the reply is too long'))
      else chunks.push(chunk)
    })
    response.once('error', reject)
    response.once('end', () => resolve(Buffer.concat(chunks)))
  })
}
