import { Server } from 'node:net'
import { defineRoute, NoFields } from '@keyhsm/protocol'
import Type from 'typebox'
import { beforeAll, describe, expect, it } from 'vitest'
import { bindRoute, TextReply } from '../src/http-server.js'
import { makePki, type Pki } from './support/pki.js'
import { answering, ask, start } from './support/server.js'

let pki: Pki
beforeAll(async () => {
  pki = await makePki()
})

const tls = () => ({
  key: pki.server.privateKey,
  cert: pki.server.certificate,
  rejectUnauthorized: true,
  trustedCertificates: [pki.authority.certificate],
})

describe('a server with mutual TLS', () => {
  it('answers an admitted client with JSON and the headers of a private reply', async () => {
    const route = bindRoute(
      defineRoute({
        method: 'POST',
        path: '/v1/greetings/:name',
        access: 'client',
        params: Type.Object({ name: Type.String() }, { additionalProperties: false }),
        query: Type.Object({ times: Type.Integer() }, { additionalProperties: false }),
        body: Type.Object({ word: Type.String() }, { additionalProperties: false }),
        reply: Type.Object({ said: Type.String(), by: Type.String() }),
        success: 201,
        maxBodyBytes: 1000,
        deadlineMs: 1000,
        summary: 'greet',
      }),
      async ({ params, query, body, identity, peerAddress }) => ({
        said: `${body.word} ${params.name}`.repeat(query.times),
        by: identity?.name ?? '',
        secret: 'not declared',
        peerAddress,
      }),
    )
    const { port } = await start({ tls: tls(), routes: [route] })
    const answer = await ask({
      port,
      path: '/v1/greetings/you?times=2',
      json: { word: 'hello' },
      as: pki.alice,
    })
    expect(answer.json).toEqual({ said: 'hello youhello you', by: 'alice' })
    expect(answer.status).toBe(201)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers).not.toHaveProperty('server')
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('sends a TextReply as it is', async () => {
    const page = answering(
      { method: 'GET', path: '/', query: NoFields, maxBodyBytes: 0 },
      async () => new TextReply('"not joined"', 405),
    )
    const { port } = await start({ tls: tls(), routes: [page] })
    const answer = await ask({ port, method: 'GET', path: '/', as: pki.alice })
    expect([answer.status, answer.text, answer.headers['content-type']]).toEqual([
      405,
      '"not joined"',
      'text/plain; charset=utf-8',
    ])
  })

  it('outlives a connection that cannot be accepted', async () => {
    const page = answering({ method: 'GET', path: '/', maxBodyBytes: 0 }, async () => ({}))
    const { port, errors } = await start({ tls: tls(), routes: [page] })
    const cause = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' })
    listenerOn(port).emit('error', cause)
    expect(errors).toEqual([expect.objectContaining({ code: 'ERR_UNAVAILABLE', cause })])
    expect((await ask({ port, method: 'GET', path: '/', as: pki.alice })).status).toBe(200)
  })

  it('refuses a reload of TLS where there is none', async () => {
    const { server } = await start({ routes: [] })
    expect(() => server.reloadTls(tls())).toThrow(expect.objectContaining({ code: 'ERR_SETTINGS' }))
  })
})

/** The listening socket itself: the machine cannot be made to run out of file descriptors for one test only. */
function listenerOn(port: number): Server {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): unknown[] }
  const found = _getActiveHandles.call(process).find((handle) => {
    const address = handle instanceof Server ? handle.address() : null
    return typeof address === 'object' && address?.port === port
  })
  if (!(found instanceof Server)) throw new Error('no listener')
  return found
}
