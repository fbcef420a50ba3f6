/** A server under test with a few routes, stopped after the test, and a plain node:https client that shows everything. */
import https from 'node:https'
import http from 'node:http'
import type { X509Certificate } from 'node:crypto'
import type { DomainError } from '@keyhsm/core'
import { defineRoute, NoFields, type RouteSpec } from '@keyhsm/protocol'
import Type from 'typebox'
import { onTestFinished } from 'vitest'
import {
  type BoundRoute,
  type HttpServer,
  type HttpServerOptions,
  type Identity,
  startHttpServer,
} from '../../src/http-server.js'
import { publicKeyFingerprint } from '../../src/peer-identity.js'
import type { KeyedCertificate } from '../../src/certificates.js'

/** A route with harmless values; tests override what they are about. */
export function routeOf(o: Partial<RouteSpec> = {}): RouteSpec {
  return defineRoute({
    method: 'POST',
    path: '/v1/echo',
    access: 'anyone',
    params: NoFields,
    query: NoFields,
    body: NoFields,
    reply: Type.Object({ said: Type.Optional(Type.String()) }),
    success: 200,
    maxBodyBytes: 4096,
    deadlineMs: 5_000,
    summary: 'a route under test',
    ...o,
  } as RouteSpec)
}

export function answering(o: Partial<RouteSpec>, handle: BoundRoute['handle']): BoundRoute {
  return { spec: routeOf(o), handle }
}

/** Identity by certificate alone, as Key HSM does it. */
export function byCertificate(kind: Identity['kind'] = 'client') {
  return ({ certificate }: { certificate: X509Certificate | undefined }): Identity | undefined =>
    certificate && {
      kind,
      name: certificate.subject.replace('CN=', ''),
      fingerprint: publicKeyFingerprint(certificate),
    }
}

export interface Started {
  readonly server: HttpServer
  readonly port: number
  readonly errors: DomainError[]
}

export async function start(
  o: Partial<HttpServerOptions> & Pick<HttpServerOptions, 'routes'>,
): Promise<Started> {
  const errors: DomainError[] = []
  const server = await startHttpServer({
    listen: { host: '127.0.0.1', port: 0 },
    identify: byCertificate(),
    onError: (error) => errors.push(error),
    ...o,
  })
  onTestFinished(() => server.close())
  return { server, port: 'port' in server.address ? server.address.port : 0, errors }
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly text: string
  /** Empty when the answer is not JSON. */
  readonly json: Readonly<Record<string, unknown>>
}

export interface Ask {
  readonly port?: number
  readonly socketPath?: string
  readonly method?: string
  readonly path?: string
  readonly json?: unknown
  readonly body?: string | Buffer
  readonly headers?: Record<string, string | string[]>
  readonly as?: KeyedCertificate
  readonly agent?: http.Agent
  readonly tls?: boolean
}

/** One request on a connection of its own unless an agent is given. Rejects when the connection is cut. */
export function ask(o: Ask): Promise<Answer> {
  const body = o.json === undefined ? o.body : JSON.stringify(o.json)
  const options: https.RequestOptions = {
    method: o.method ?? 'POST',
    path: o.path ?? '/v1/echo',
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(o.method === 'GET' || body === undefined
        ? {}
        : { 'content-length': String(Buffer.byteLength(body)) }),
      ...o.headers,
    },
    agent: o.agent ?? false,
    rejectUnauthorized: false,
    ...(o.socketPath ? { socketPath: o.socketPath } : { host: '127.0.0.1', port: o.port }),
    ...(o.as ? { key: o.as.privateKey, cert: o.as.certificate } : {}),
  }
  const plain = o.socketPath !== undefined || o.tls === false
  return new Promise((resolve, reject) => {
    const request = (plain ? http : https).request(options, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const isJson = response.headers['content-type']?.includes('json') === true && text !== ''
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
        })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}
