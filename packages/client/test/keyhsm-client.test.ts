import { parseHsmKeyId, parseUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { KeyHsmClient } from '../src/keyhsm-client.js'
import { mayHaveBeenProcessed } from '../src/transport/faults.js'
import { useServer } from './connected-server.js'
import { replyJson } from './real-server.js'

const requestId = parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964ff')
const canary = 'c'.repeat(64)
const context = { organisation: requestId, deposit: requestId, handle: 'h', revision: 1 }
const hsmKeyId = parseHsmKeyId('a'.repeat(32))

const startServer = useServer()

async function connect(answer: Parameters<typeof startServer>[0]) {
  const { transport, seen } = await startServer(answer)
  return { client: new KeyHsmClient(transport, { attempts: 2, pauseMs: 1, maxPauseMs: 50 }), seen }
}

describe('KeyHsmClient', () => {
  it('seals bytes and opens them', async () => {
    const sealed = {
      sealed: 'AQI=',
      hsmKeyId,
      hsmKeyLabel: 'l',
      scope: 'deposit',
      kind: 'ec-p256',
      newKey: true,
    }
    const { client, seen } = await connect((one, response) =>
      replyJson(response, one.url === '/v1/seal' ? sealed : { content: 'AP8=' }),
    )
    const reply = await client.seal({ requestId, context, canary, content: Buffer.from([0, 255]) })
    expect(reply).toEqual({ ...sealed, sealed: Buffer.from([1, 2]) })
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({ requestId, context, canary, content: 'AP8=' })
    const content = await client.open({ requestId, context, canary, sealed: reply.sealed })
    expect(content).toEqual(Buffer.from([0, 255]))
    expect(JSON.parse(seen[1]?.body ?? '')).toEqual({ requestId, context, canary, sealed: 'AQI=' })
  })

  it('seals several in one call, which is sent once, and tells what became of each', async () => {
    const one = { hsmKeyId, hsmKeyLabel: 'l', scope: 'service', kind: 'aes-256', newKey: false }
    const { client, seen } = await connect((_, response) =>
      replyJson(response, {
        deposits: [
          { ...one, sealed: 'AQI=' },
          { code: 'ERR_HSM_FULL', detail: 'no room' },
        ],
      }),
    )
    const content = Buffer.from([0, 255])
    const deposits = [context, { ...context, revision: 2 }].map((of) => ({ context: of, content }))
    const results = await client.seals({ requestId, canary, deposits })
    expect(results[0]).toEqual({ ...one, sealed: Buffer.from([1, 2]) })
    expect(results[1]).toMatchObject({ code: 'ERR_HSM_FULL', message: 'no room' })
    expect(seen.map(({ url }) => url)).toEqual(['/v1/seals'])
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
      canary,
      deposits: [{ content: 'AP8=' }, { context: { revision: 2 } }],
    })
  })

  it('repeats an open, but never a seal: that would make another key', async () => {
    const problem = { code: 'ERR_HSM_UNAVAILABLE', detail: 'host process gone' }
    const { client, seen } = await connect((_, response) => replyJson(response, problem, 503))
    const content = Buffer.from('x')
    const seal = await client.seal({ requestId, context, canary, content }).catch((error) => error)
    expect([seal.code, mayHaveBeenProcessed(seal), seen.length]).toEqual([
      'ERR_HSM_UNAVAILABLE',
      true,
      1,
    ])
    const open = client.open({ requestId, context, canary, sealed: content })
    await expect(open).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    expect(seen).toHaveLength(3)
  })

  it('revokes, lists page by page and describes', async () => {
    const key = { id: hsmKeyId, label: 'l', kind: 'ec-p256', purpose: 'deposit' }
    const description = {
      realm: 'r',
      canary,
      domain: 'd'.repeat(32),
      scope: 'deposit',
      kind: 'ec-p256',
      profile: 'softhsm',
      device: 'd',
      durableKeys: false,
      hardware: false,
      backend: 'new',
      defaultBackend: false,
      capacity: { used: 3 },
      backends: [],
      state: 'ready',
      version: '1',
      now: '2026-01-02T03:04:05.000Z',
    }
    const replies: Readonly<Record<string, unknown>> = {
      '/v1/hsm-keys/revoke': { outcome: 'destroyed' },
      '/v1/hsm-keys?limit=1': { keys: [key], next: hsmKeyId },
      [`/v1/hsm-keys?after=${hsmKeyId}&limit=1`]: { keys: [key] },
      '/v1/partition': description,
      '/v1/partition?backend=new': description,
      [`/v1/hsm-keys?limit=1&canary=${canary}`]: { keys: [] },
    }
    const { client, seen } = await connect((one, response) => replyJson(response, replies[one.url]))
    expect(await client.revoke({ requestId, hsmKeyId, canary, reason: 'test' })).toBe('destroyed')
    const of = { organisation: requestId, deposit: requestId, handle: 'h', revision: 1 }
    const proof = { context: of, sealed: Buffer.from('sealed'), canary }
    const order = { requestId, hsmKeyId, canary, reason: 'purge' } as const
    expect(await client.revoke({ ...order, proof })).toBe('destroyed')
    expect(JSON.parse(seen.at(-1)?.body ?? '{}')).toEqual({
      ...order,
      proof: { ...proof, sealed: 'c2VhbGVk' },
    })
    const keys = []
    for await (const one of client.listHsmKeys(1)) keys.push(one)
    expect(keys).toEqual([key, key])
    expect((await client.listHsmKeys(1, canary).next()).done).toBe(true)
    expect(await client.describe()).toEqual(description)
    expect(await client.describe(undefined, [], 'new')).toEqual(description)
  })
})
