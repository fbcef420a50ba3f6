import { createHash } from 'node:crypto'
import { DomainError, newUuid } from '@keyhsm/core'
import { Base64Field, NameField, RequestIdField, ScopeField } from '@keyhsm/protocol'
import Type from 'typebox'
import { describe, expect, it } from 'vitest'
import { bindRoute, type Peer } from '../../src/http-server.js'
import { createMetrics } from '../../src/prometheus.js'
import { answering, ask, routeOf, start } from '../support/server.js'

const plain = { tls: false } as const

const Words = Type.Object(
  {
    requestId: Type.Optional(RequestIdField),
    word: Type.Optional(Type.String({ maxLength: 5 })),
    scope: Type.Optional(ScopeField),
    count: Type.Optional(Type.Integer({ minimum: 1 })),
    list: Type.Optional(
      Type.Array(Type.Object({ name: NameField }, { additionalProperties: false })),
    ),
  },
  { additionalProperties: false },
)
const echo = answering({ body: Words }, async ({ body }) => ({ said: JSON.stringify(body) }))

describe('input', () => {
  const faulty: [string, unknown, string][] = [
    ['an unknown field', { wrong: 'SECRET' }, 'wrong is not a known field'],
    ['an unknown field with a strange name', { 'SECRET\n<': 1 }, '(unnamed) is not a known field'],
    [
      'a field inherited by everything',
      JSON.parse('{"__proto__":{"word":"x"}}'),
      '__proto__ is not a known field',
    ],
    ['a long value', { word: 'SECRET' }, 'word must be at most 5 characters'],
    ['a number for text', { word: 5 }, 'word must be a string'],
    ['text for a number', { count: '5' }, 'count must be an integer'],
    ['a small number', { count: 0 }, 'count must be at least 1'],
    [
      'a value outside the list',
      { scope: 'SECRET' },
      'scope must be one of deposit, organisation, service',
    ],
    [
      'a fault deep inside',
      { list: [{ name: 'ok' }, { name: '-SECRET' }] },
      'list[1].name must match ^[A-Za-z0-9][A-Za-z0-9._-]*$',
    ],
    ['a missing field deep inside', { list: [{}] }, 'list[0].name is required'],
    ['an array for the whole', [], 'body must be an object'],
    ['null for the whole', null, 'body must be an object'],
  ]
  it.each(faulty)(
    'with %s is 400 and names field and rule, not the value',
    async (_what, json, detail) => {
      const { port, errors } = await start({ routes: [echo] })
      const answer = await ask({ ...plain, port, json })
      expect(answer.status).toBe(400)
      expect(answer.headers['content-type']).toBe('application/problem+json')
      expect(answer.json).toMatchObject({ status: 400, code: 'ERR_INVALID_INPUT', detail })
      const [field, ...rule] = detail.split(' ')
      expect(answer.json.faults).toEqual([{ field, rule: rule.join(' ') }])
      expect(answer.text).not.toContain('SECRET')
      expect(errors.map((error) => error.code)).toEqual(['ERR_INVALID_INPUT'])
    },
  )

  it.each([
    ['is cut off', '{"word":', 'body must be JSON'],
    ['is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'body must be UTF-8'],
    ['has a byte order mark', Buffer.from('\ufeff{}'), 'body must be JSON'],
  ])('that %s is 400', async (_what, body, detail) => {
    const { port } = await start({ routes: [echo] })
    const answer = await ask({ ...plain, port, body })
    expect([answer.status, answer.json.detail]).toEqual([400, detail])
  })

  it('of another media type is 415', async () => {
    const { port } = await start({ routes: [echo] })
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
      const answer = await ask({ ...plain, port, body: '{}', headers: { 'content-type': type } })
      expect([type, answer.status, answer.json.code]).toEqual([type, 415, 'ERR_INVALID_INPUT'])
    }
  })

  it('may say its charset, and may be absent', async () => {
    const { port } = await start({ routes: [echo] })
    const headers = { 'content-type': 'application/json; charset=utf-8' }
    expect((await ask({ ...plain, port, body: '{"word":"é"}', headers })).json.said).toBe(
      '{"word":"é"}',
    )
    expect((await ask({ ...plain, port })).json.said).toBe('{}')
  })

  it('is checked by a schema that is compiled when it is first needed; a bad one fails its own route alone', async () => {
    const body = Type.Object({ word: Type.Optional(Type.String({ pattern: '(' })) })
    const bad = answering({ path: '/v1/bad', body }, async () => ({ said: 'never' }))
    const { port, errors } = await start({ routes: [echo, bad] })
    expect((await ask({ ...plain, port, json: { word: 'x' } })).status).toBe(200)
    const answer = await ask({ ...plain, port, path: '/v1/bad', json: { word: 'x' } })
    expect([answer.status, answer.json.code]).toEqual([500, 'ERR_INTERNAL'])
    expect(errors.map((error) => error.code)).toEqual(['ERR_INTERNAL'])
  })

  it('in the query is converted only where a whole number is declared', async () => {
    const route = answering(
      {
        method: 'GET',
        maxBodyBytes: 0,
        query: Type.Object(
          {
            limit: Type.Optional(Type.Integer({ maximum: 9 })),
            after: Type.Optional(Type.String()),
          },
          { additionalProperties: false },
        ),
      },
      async ({ query }) => ({ said: JSON.stringify(query) }),
    )
    const { port } = await start({ routes: [route] })
    const get = (query: string) => ask({ ...plain, port, method: 'GET', path: `/v1/echo?${query}` })
    expect((await get('limit=7&after=7')).json.said).toBe('{"limit":7,"after":"7"}')
    const refused: [string, string][] = [
      ['limit=10', 'limit must be at most 9'],
      ['limit=7.5', 'limit must be an integer'],
      ['limit=0x7', 'limit must be an integer'],
      ['limit=', 'limit must be an integer'],
      ['after=a&after=b', 'after must be a string'],
      ['other=1', 'other is not a known field'],
    ]
    for (const [query, detail] of refused) {
      expect((await get(query)).json).toMatchObject({ status: 400, detail })
    }
  })

  it('in the path is checked, long parts too', async () => {
    const params = Type.Object({ ref: NameField }, { additionalProperties: false })
    const route = answering(
      { method: 'GET', path: '/v1/d/:ref', maxBodyBytes: 0, params },
      async (r) => ({
        said: (r.params as { ref: string }).ref,
      }),
    )
    const { port } = await start({ routes: [route] })
    const get = (path: string) => ask({ ...plain, port, method: 'GET', path })
    expect((await get('/v1/d/a%2Db')).json).toEqual({ said: 'a-b' })
    expect((await get(`/v1/d/${'x'.repeat(65)}`)).json).toMatchObject({
      status: 400,
      detail: 'ref must be at most 64 characters',
    })
    expect((await get(`/v1/d/${'x'.repeat(2000)}`)).json).toMatchObject({
      code: 'ERR_INVALID_INPUT',
    })
    expect((await get('/v1/d/%ZZ')).json).toMatchObject({ status: 400, code: 'ERR_INVALID_INPUT' })
    expect((await get('/v1/d/a%2Fb')).json).toMatchObject({ status: 400 })
  })
})

describe('a body that is too long', () => {
  const small = () => {
    const seen: unknown[] = []
    const route = answering({ body: Words, maxBodyBytes: 100 }, async ({ body }) => {
      seen.push(body)
      return {}
    })
    return { route, seen }
  }

  it('is 413, announced or not, and the handler is not asked', async () => {
    const { route, seen } = small()
    const { port } = await start({ routes: [route] })
    const body = JSON.stringify({ word: 'x'.repeat(3_000_000) })
    const announced = await ask({ ...plain, port, body })
    const headers = { 'transfer-encoding': 'chunked', 'content-length': [] as string[] }
    const chunked = await ask({ ...plain, port, body, headers })
    for (const answer of [announced, chunked]) {
      expect([answer.status, answer.json.code]).toEqual([413, 'ERR_TOO_LARGE'])
    }
    expect(seen).toEqual([])
  })

  it('is allowed to the last byte', async () => {
    const { route } = small()
    const { port } = await start({ routes: [route] })
    const body = `{"word":"x"}${' '.repeat(88)}`
    expect((await ask({ ...plain, port, body })).status).toBe(200)
    expect((await ask({ ...plain, port, body: `${body} ` })).status).toBe(413)
  })

  it('is any body where the route takes none', async () => {
    const gets = answering({ method: 'GET', maxBodyBytes: 0 }, async () => ({}))
    const deletes = answering({ method: 'DELETE', maxBodyBytes: 0 }, async () => ({}))
    const { port } = await start({ routes: [gets, deletes] })
    for (const method of ['GET', 'DELETE']) {
      expect((await ask({ ...plain, port, method })).status).toBe(200)
      const headers = { 'content-type': 'application/json', 'content-length': '2' }
      expect((await ask({ ...plain, port, method, body: '{}', headers })).status).toBe(413)
      const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }
      expect(
        (
          await ask({
            ...plain,
            port,
            method,
            body: '{}',
            headers: { ...chunked, 'content-length': [] },
          })
        ).status,
      ).toBe(413)
    }
  })
})

describe('paths and methods', () => {
  it('tells an unknown path (404) from a wrong method (405)', async () => {
    const read = answering(
      {
        method: 'GET',
        path: '/v1/d/:ref',
        maxBodyBytes: 0,
        params: Type.Object({ ref: Type.String() }),
      },
      async () => ({}),
    )
    const { port } = await start({ routes: [echo, read] })
    const unknown = await ask({ ...plain, port, path: '/v2/echo' })
    expect(unknown.json).toMatchObject({ status: 404, code: 'ERR_NOT_FOUND' })
    for (const method of ['PUT', 'OPTIONS', 'PATCH', 'TRACE', 'PROPFIND']) {
      const answer = await ask({ ...plain, port, method })
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, 'POST'])
      expect(answer.json.detail).toBe('method must be POST')
    }
    expect((await ask({ ...plain, port, method: 'HEAD', path: '/v1/d/x' })).status).toBe(405)
    expect((await ask({ ...plain, port, method: 'GET', path: '/V1/d/x' })).status).toBe(404)
  })
})

describe('request ids', () => {
  it('is the one of the body, on success and on refusal', async () => {
    const ids: string[] = []
    const route = answering({ body: Words }, async ({ requestId }) => {
      ids.push(requestId)
      return {}
    })
    const { port } = await start({ routes: [route] })
    const requestId = newUuid()
    const good = await ask({ ...plain, port, json: { requestId } })
    const bad = await ask({ ...plain, port, json: { requestId, wrong: 1 } })
    expect([good.headers['x-request-id'], bad.headers['x-request-id'], bad.json.requestId]).toEqual(
      [requestId, requestId, requestId],
    )
    expect(ids).toEqual([requestId])
  })

  it('is a fresh one otherwise', async () => {
    const { port } = await start({ routes: [echo] })
    const answers = [
      await ask({ ...plain, port }),
      await ask({ ...plain, port, json: { requestId: 'nonsense' } }),
    ]
    const ids = answers.map((answer) => answer.headers['x-request-id'])
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('errors of a handler', () => {
  const failing = (error: unknown) =>
    answering({ method: 'GET', maxBodyBytes: 0 }, async () => {
      throw error
    })
  const get = async (error: unknown) => {
    const started = await start({ routes: [failing(error)] })
    return { ...started, answer: await ask({ ...plain, port: started.port, method: 'GET' }) }
  }

  it('are answered with their code, faults and time to wait', async () => {
    const { answer } = await get(
      new DomainError('ERR_QUOTA', 'too many keys this hour', {
        retryAfterMs: 1_500,
        cause: 'SECRET',
      }),
    )
    expect(answer.json).toMatchObject({
      status: 429,
      code: 'ERR_QUOTA',
      detail: 'too many keys this hour',
      retryAfterMs: 1500,
    })
    expect(answer.headers['retry-after']).toBe('2')
    expect(answer.text).not.toContain('SECRET')
  })

  it('say to wait a second where they can be retried, and nothing where not', async () => {
    expect(
      (await get(new DomainError('ERR_HSM_UNAVAILABLE', 'x'))).answer.headers['retry-after'],
    ).toBe('1')
    expect((await get(new DomainError('ERR_NOT_FOUND', 'x'))).answer.headers).not.toHaveProperty(
      'retry-after',
    )
  })

  it.each([
    ['foreign', new Error('SECRET')],
    ['with a foreign code', Object.assign(new Error('SECRET'), { code: '23505', statusCode: 418 })],
    ['not even errors', 'SECRET'],
    ['internal with a text', new DomainError('ERR_INTERNAL', 'SECRET')],
    ['settings of the server', new DomainError('ERR_SETTINGS', 'SECRET path')],
  ])('that are %s get a fixed text; the log gets the cause', async (_what, error) => {
    const { answer, errors } = await get(error)
    expect(answer.json).toMatchObject({
      status: 500,
      code: 'ERR_INTERNAL',
      detail: 'internal error',
    })
    expect(answer.text).not.toContain('SECRET')
    expect(errors[0]?.cause ?? errors[0]).toBe(error)
  })

  it('come also from a reply that does not fit its schema', async () => {
    const route = answering({ reply: Type.Object({ said: Type.String() }) }, async () => ({
      other: 'SECRET',
    }))
    const { port, errors } = await start({ routes: [route] })
    const answer = await ask({ ...plain, port })
    expect([answer.status, answer.json.detail, errors.length]).toEqual([500, 'internal error', 1])
  })
})

describe('access', () => {
  const fingerprint = createHash('sha256').update('x').digest('hex') as never
  const kinds = ['service', 'client', 'administrator'] as const

  it.each(kinds)('%s is for nobody else', async (access) => {
    for (const kind of kinds) {
      const { port } = await start({
        routes: [answering({ access }, async ({ identity }) => ({ said: identity?.name }))],
        identify: () => ({ kind, name: 'n', fingerprint }),
      })
      const answer = await ask({ ...plain, port })
      if (kind === access) expect(answer.json).toEqual({ said: 'n' })
      else expect([answer.status, answer.json.code]).toEqual([403, 'ERR_NOT_ALLOWED'])
    }
  })

  it('comes before the schema; anyone is not asked who they are', async () => {
    let asked = 0
    const identify = () => {
      asked += 1
      return undefined
    }
    const closed = answering({ path: '/closed', access: 'client', body: Words }, async () => ({}))
    const { port } = await start({ routes: [closed, echo], identify })
    expect((await ask({ ...plain, port, path: '/closed', body: 'not JSON' })).status).toBe(401)
    expect(asked).toBe(1)
    expect((await ask({ ...plain, port })).status).toBe(200)
    expect(asked).toBe(1)
  })

  it('on a control socket is decided from method, target, headers and the bytes of the body', async () => {
    let seen: Peer | undefined
    const route = answering(
      {
        path: '/v1/x/:id',
        access: 'administrator',
        body: Words,
        params: Type.Object({ id: Type.String() }),
        query: Type.Object({ q: Type.String() }),
      },
      async () => ({}),
    )
    const { port } = await start({
      routes: [route],
      identify: (peer) => {
        seen = peer
        return undefined
      },
    })
    await ask({
      ...plain,
      port,
      path: '/v1/x/%41?q=1%20',
      body: ' {"word":"a"} ',
      headers: { 'keyhsm-signature': 's' },
    })
    expect(seen).toMatchObject({ method: 'POST', path: '/v1/x/%41?q=1%20', certificate: undefined })
    expect(seen?.rawBody.toString()).toBe(' {"word":"a"} ')
    expect(seen?.headers['keyhsm-signature']).toBe('s')
  })

  it('that cannot be decided is refused with the reason of the decider', async () => {
    const { port } = await start({
      routes: [answering({ access: 'client' }, async () => ({}))],
      identify: () => Promise.reject(new DomainError('ERR_STORE_UNAVAILABLE', 'no database')),
    })
    expect((await ask({ ...plain, port })).json.code).toBe('ERR_STORE_UNAVAILABLE')
  })
})

describe('a caller that cannot be told', () => {
  const route = answering({ access: 'client' }, async () => ({ said: 'let in' }))

  it.each([
    ['fails with nothing', () => Promise.reject(undefined)],
    ['fails with a text', () => Promise.reject('SECRET')],
    [
      'throws',
      () => {
        throw new Error('SECRET')
      },
    ],
  ])('is not let in when the decider %s', async (_what, identify) => {
    const { port } = await start({ routes: [route], identify })
    const answer = await ask({ ...plain, port })
    expect([answer.status, answer.json.detail]).toEqual([500, 'internal error'])
  })
})

describe('a log that fails', () => {
  it('does not change the answer', async () => {
    const onError = () => {
      throw new Error('SECRET')
    }
    const { port } = await start({ routes: [echo], onError })
    const answer = await ask({ ...plain, port, json: { wrong: 1 } })
    expect(answer.json).toMatchObject({ status: 400, detail: 'wrong is not a known field' })
  })
})

describe('deadlines', () => {
  it('answer 503 and abort the signal, also while asking who calls', async () => {
    const reasons: unknown[] = []
    const never = (signal?: AbortSignal) =>
      new Promise<never>(() => signal?.addEventListener('abort', () => reasons.push(signal.reason)))
    const slow = answering({ path: '/slow', deadlineMs: 30 }, ({ signal }) => never(signal))
    const closed = answering(
      { path: '/closed', access: 'client', deadlineMs: 30 },
      async () => ({}),
    )
    const { port } = await start({ routes: [slow, closed], identify: () => never() })
    for (const path of ['/slow', '/closed']) {
      const answer = await ask({ ...plain, port, path })
      expect([answer.status, answer.json.code, answer.headers['retry-after']]).toEqual([
        503,
        'ERR_BUSY',
        '1',
      ])
    }
    expect(reasons).toEqual([expect.objectContaining({ code: 'ERR_BUSY' })])
  })
})

describe('metrics', () => {
  it('count requests by route template and status', async () => {
    const metrics = createMetrics('test')
    const { port } = await start({ routes: [echo], metrics })
    await ask({ ...plain, port })
    await ask({ ...plain, port, json: { wrong: 1 } })
    await ask({ ...plain, port, path: '/secret-handle' })
    const text = await metrics.text()
    metrics.close()
    for (const labels of [
      'route="POST /v1/echo",status="200"',
      'route="POST /v1/echo",status="400"',
      'route="unknown",status="404"',
    ]) {
      expect(text).toContain(`test_http_request_seconds_count{${labels}} 1`)
    }
    expect(text).not.toContain('secret-handle')
  })
})

describe('routes', () => {
  it('that nobody could serve stop the start', async () => {
    await expect(start({ routes: [echo, echo] })).rejects.toThrow()
    const bound = bindRoute(routeOf({ reply: Type.Object({ sealed: Base64Field }) }), async () => ({
      sealed: '',
    }))
    expect((await start({ routes: [bound] })).port).toBeGreaterThan(0)
  })
})
