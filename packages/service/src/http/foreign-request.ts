/** What a handler of a foreign protocol gets and answers: HTTP as it is, without our routes, schemas and problem documents. */
import type http from 'node:http'

/** One request, its body read whole. */
export interface ForeignRequest {
  readonly method: string
  /** Request target as it was sent: path and query, still percent-encoded. */
  readonly target: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** The peer's IP address; an IPv4-mapped one as plain IPv4. */
  readonly peerAddress: string
  /** The request came over TLS. */
  readonly secure: boolean
  /** Aborted at the deadline or when the caller goes away. */
  readonly signal: AbortSignal
  /** Resolves when the reply was handed to the operating system (true) or the connection broke before (false). */
  readonly delivered: Promise<boolean>
}

/** What is answered. A reason phrase is cut to printable Latin-1: node:http throws for anything else. */
export interface ForeignReply {
  readonly status: number
  readonly reason?: string | undefined
  readonly headers?: Readonly<Record<string, string | readonly string[]>> | undefined
  readonly body?: string | Buffer | undefined
}
