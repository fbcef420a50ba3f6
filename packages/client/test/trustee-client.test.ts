import { describe, expect, it } from 'vitest'
import { TrusteeClient } from '../src/trustee-client.js'
import { useServer } from './connected-server.js'
import { replyJson } from './real-server.js'

const deposit = {
  uuid: '6f9619ff-8b86-4d01-b42d-00cf4fc964f0',
  handle: 'h',
  organisation: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff',
  owner: '6f9619ff-8b86-4d01-b42d-00cf4fc964fe',
  state: 'active',
  revision: 3,
  revisionUuid: '6f9619ff-8b86-4d01-b42d-00cf4fc964f3',
  contentBytes: 2,
  sealing: 'hsm',
  createdAt: '2026-01-02T03:04:05.000Z',
  updatedAt: '2026-01-02T03:04:05.000Z',
}

const startServer = useServer()

async function connect(answer: Parameters<typeof startServer>[0]) {
  const { transport, seen } = await startServer(answer)
  return { client: new TrusteeClient(transport, { attempts: 3, pauseMs: 1, maxPauseMs: 50 }), seen }
}

describe('TrusteeClient', () => {
  it('repeats a put under one request id', async () => {
    const { client, seen } = await connect((_, response) => {
      if (seen.length === 1) response.socket?.destroy()
      else if (seen.length === 2)
        replyJson(response, { code: 'ERR_HSM_UNAVAILABLE', detail: 'x' }, 503)
      else replyJson(response, deposit, 201)
    })
    const content = Buffer.from([0, 255])
    expect(
      await client.put({ handle: 'h', content, condition: 'absent', scope: 'service' }),
    ).toEqual(deposit)
    const bodies = seen.map((one) => JSON.parse(one.body))
    expect(bodies[0]).toEqual({ requestId: expect.any(String), content: 'AP8=', scope: 'service' })
    expect(bodies).toEqual([bodies[0], bodies[0], bodies[0]])
    expect(seen.map((one) => one.headers['if-none-match'])).toEqual(['*', '*', '*'])
  })

  it('sends the revision that a put may replace', async () => {
    const { client, seen } = await connect((_, response) => replyJson(response, deposit, 201))
    await client.put({ handle: 'h', content: Buffer.from('x'), condition: { revision: 3 } })
    expect(seen[0]?.headers['if-match']).toBe('"3"')
    await client.put({ handle: 'h', content: Buffer.from('x') })
    expect([seen[1]?.headers['if-match'], seen[1]?.headers['if-none-match']]).toEqual([
      undefined,
      undefined,
    ])
  })

  it('takes no deposit of another handle for the one that it asked for', async () => {
    const reply = { deposit, revision: 3, content: 'AP8=' }
    const { client } = await connect((_, response) => replyJson(response, reply))
    expect((await client.get('h')).content).toEqual(Buffer.from([0, 255]))
    expect((await client.get(deposit.uuid)).revision).toBe(3)
    await expect(client.get('other')).rejects.toMatchObject({
      code: 'ERR_INTEGRITY',
      message: 'the server answered with another deposit',
    })
  })

  it('puts and removes in one batch', async () => {
    const { client, seen } = await connect((_, response) =>
      replyJson(response, { deposits: [deposit], removed: [] }, 201),
    )
    const puts = [
      { handle: 'a', content: Buffer.from('1'), condition: 'absent' as const },
      {
        handle: 'b',
        content: Buffer.from('2'),
        condition: { revision: 2 },
        scope: 'deposit' as const,
      },
    ]
    expect(await client.putBatch(puts, ['c'], deposit.uuid)).toEqual({
      deposits: [deposit],
      removed: [],
    })
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      requestId: deposit.uuid,
      puts: [
        { handle: 'a', content: 'MQ==', ifNoneMatch: '*' },
        { handle: 'b', content: 'Mg==', scope: 'deposit', ifMatch: 2 },
      ],
      removes: ['c'],
    })
  })

  it('returns content as bytes and refuses base64 that is none', async () => {
    let content = 'AP8='
    const { client } = await connect((_, response) =>
      replyJson(response, { deposit, revision: 3, content }),
    )
    expect((await client.get('h')).content).toEqual(Buffer.from([0, 255]))
    content = 'AP8'
    await expect(client.get('h')).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
  })

  it('lists page by page', async () => {
    const page = (handle: string, next?: string) => ({
      deposits: [{ ...deposit, handle }],
      ...(next && { next }),
    })
    const { client, seen } = await connect((request, response) =>
      replyJson(response, request.url.includes('after=a') ? page('b') : page('a', 'a')),
    )
    const handles = []
    for await (const { handle } of client.list(1)) handles.push(handle)
    expect(handles).toEqual(['a', 'b'])
    expect(seen.map((one) => one.url)).toEqual([
      '/v1/deposits?limit=1',
      '/v1/deposits?after=a&limit=1',
    ])
  })

  it('finds one by its handle without listing; what is not there, or another by its uuid, is none', async () => {
    const { client, seen } = await connect((request, response) => {
      if (request.url.includes('/absent/'))
        return replyJson(response, { code: 'ERR_NOT_FOUND', detail: 'none' }, 404)
      return replyJson(response, { ...deposit, handle: 'a' })
    })
    expect((await client.find('a'))?.handle).toBe('a')
    expect(await client.find(deposit.uuid)).toBeUndefined()
    expect(await client.find('absent')).toBeUndefined()
    expect(seen[0]?.url).toBe('/v1/deposits/a/description')
  })

  it('removes', async () => {
    const { client, seen } = await connect((_, response) =>
      replyJson(response, { ...deposit, state: 'disabled' }),
    )
    expect((await client.remove('h')).state).toBe('disabled')
    expect(seen[0]).toMatchObject({ method: 'DELETE', url: '/v1/deposits/h', body: '' })
  })
})
