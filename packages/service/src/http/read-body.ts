import type http from 'node:http'
import { invalidInput } from '@keyhsm/core'
import { tooLarge } from './reply-problem.js'

const noBytes = Buffer.alloc(0)

/**
 * The whole body of a request; empty where it has none. What is too long is not read on: the rest is discarded as it comes.
 * @throws ERR_TOO_LARGE above `maxBytes`; ERR_INVALID_INPUT when the body was cut off.
 */
export async function readBody(request: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { headers } = request
  const announced = Number(headers['content-length'] ?? 0)
  if (announced === 0 && headers['transfer-encoding'] === undefined) return noBytes
  if (announced > maxBytes) throw refuse(request)
  const chunks: Buffer[] = []
  let length = 0
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= maxBytes) chunks.push(chunk)
      else reject(refuse(request))
    })
    request.once('end', resolve)
    request.once('error', () => reject(invalidInput('body', 'was cut off')))
  })
  return chunks.length === 1 ? (chunks[0] ?? noBytes) : Buffer.concat(chunks)
}

function refuse(request: http.IncomingMessage): Error {
  request.removeAllListeners('data')
  request.resume()
  return tooLarge()
}
