/** Answers to what is not HTTP, or comes too slowly: there is no request to answer, only a socket. */
import type http from 'node:http'
import type { Duplex } from 'node:stream'
import { DomainError, invalidInput, newUuid } from '@keyhsm/core'
import { problemMediaType } from '@keyhsm/protocol'
import { problemOf, type Refusal } from './reply-problem.js'

/** By node:http's code; everything else is a request that cannot be read. */
const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    error: new DomainError('ERR_TOO_LARGE', 'the headers are too long'),
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    error: new DomainError('ERR_BUSY', 'the request did not arrive in time'),
  },
}
const unreadable: Refusal = { status: 400, error: invalidInput('request', 'must be HTTP/1.1') }

/** Answers with a problem document where something can still be written, and closes the connection. */
export function answerMalformed(server: http.Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const refusal = refusals[error.code ?? ''] ?? unreadable
    const body = JSON.stringify(problemOf(refusal, newUuid()))
    socket.end(
      `HTTP/1.1 ${refusal.status} ${reasons[refusal.status] ?? ''}\r\ncontent-type: ${problemMediaType}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    )
  })
}

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
}
