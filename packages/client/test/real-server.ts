/** A real HTTPS server on loopback and certificates made by openssl, shared by the tests of this package. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TlsOptions, TLSSocket } from 'node:tls'

export interface Pair {
  readonly cert: string
  readonly key: string
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore', timeout: 20_000 })
}

/** A certificate for `name`: signed by itself, or by `issuer`. */
export function makePair(folder: string, name: string, issuer?: string, days = 2): Pair {
  const file = (end: string) => join(folder, `${name}.${end}`)
  const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    file('key'),
  ]
  const authority =
    issuer === undefined
      ? []
      : ['-CA', join(folder, `${issuer}.pem`), '-CAkey', join(folder, `${issuer}.key`)]
  const leaf = name.endsWith('-ca') ? [] : ['-addext', 'basicConstraints=critical,CA:FALSE']
  openssl(
    'req',
    '-x509',
    ...key,
    ...subject,
    ...leaf,
    ...authority,
    '-days',
    String(days),
    '-out',
    file('pem'),
  )
  return { cert: readFileSync(file('pem'), 'utf8'), key: readFileSync(file('key'), 'utf8') }
}

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly resumed: boolean
}

export interface RealServer {
  readonly url: string
  readonly port: number
  /** Requests that arrived, oldest first. */
  readonly seen: Seen[]
  readonly connections: () => number
  close(): Promise<void>
}

type Answer = (seen: Seen, response: ServerResponse) => void

/** Serves `answer` on `listen` (a loopback port unless a socket path is given), with TLS when `tls` is given. */
export async function startServer(
  answer: Answer,
  tls?: TlsOptions,
  listen?: string,
): Promise<RealServer> {
  const seen: Seen[] = []
  let connections = 0
  const onRequest = (request: IncomingMessage, response: ServerResponse) =>
    void take(request, response).catch(() => response.destroy())
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers, socket } = request
    const resumed = tls !== undefined && (socket as TLSSocket).isSessionReused()
    seen.push({ method, url, headers, body: Buffer.concat(chunks).toString(), resumed })
    answer(seen.at(-1) as Seen, response)
  }
  const server = tls ? createServer(tls, onRequest) : createHttp(onRequest)
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => {
    if (listen === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(listen, resolve)
  })
  const port = listen === undefined ? (server.address() as AddressInfo).port : 0
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  return { url: `https://127.0.0.1:${port}`, port, seen, connections: () => connections, close }
}

export function replyJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
