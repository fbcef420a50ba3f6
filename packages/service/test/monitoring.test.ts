import { describe, expect, it, onTestFinished } from 'vitest'
import { createMetrics } from '../src/prometheus.js'
import { type Parts, startMonitoring } from '../src/monitoring.js'

async function start(ready: () => Parts, deep: () => Promise<Parts>) {
  const metrics = createMetrics('m')
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await startMonitoring({ listen, metrics, ready, deep, onError: () => undefined })
  onTestFinished(async () => {
    await server.close()
    metrics.close()
  })
  const { port } = server.address as { readonly port: number }
  return async (path: string, method = 'GET') => {
    const reply = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    const text = await reply.text()
    const isJson = reply.headers.get('content-type')?.startsWith('application/json')
    return { status: reply.status, body: isJson ? (JSON.parse(text) as unknown) : text }
  }
}

const good = { healthy: true, state: 'ready' }
const bad = { healthy: false, state: 'not writable' }

describe('the monitoring listener', () => {
  it('says live, ready and deep, each alone and together', async () => {
    const get = await start(
      () => ({ audit: good }),
      () => Promise.resolve({ hsm: good }),
    )
    expect(await get('/health/live')).toEqual({ status: 200, body: { status: 'live' } })
    expect(await get('/health/ready')).toEqual({
      status: 200,
      body: { status: 'ready', parts: { audit: 'ready' } },
    })
    expect(await get('/health/deep')).toMatchObject({
      status: 200,
      body: { status: 'ready', parts: { audit: 'ready', hsm: 'ready' } },
    })
    expect(await get('/health')).toMatchObject({
      status: 200,
      body: { status: 'ready', live: true },
    })
    expect((await get('/metrics')).body).toContain('m_event_loop_delay_p99_seconds')
    expect((await get('/v1/status')).status).toBe(404)
    expect((await get('/metrics', 'POST')).status).toBe(405)
  })

  it('is live while it is not ready, and ready while a part behind is away', async () => {
    let parts: Parts = { audit: bad }
    const get = await start(
      () => parts,
      () => Promise.resolve({ hsm: { healthy: false, state: 'unavailable' } }),
    )
    expect((await get('/health/live')).status).toBe(200)
    expect(await get('/health/ready')).toEqual({
      status: 503,
      body: { status: 'not ready', parts: { audit: 'not writable' } },
    })
    parts = { audit: good }
    expect((await get('/health/ready')).status).toBe(200)
    expect((await get('/health/deep')).status).toBe(503)
    expect((await get('/health')).status).toBe(503)
  })

  it('asks the parts behind once, however many come', async () => {
    let asked = 0
    const get = await start(
      () => ({}),
      async () => {
        asked += 1
        await new Promise((resolve) => setTimeout(resolve, 20))
        return { hsm: good }
      },
    )
    await Promise.all(Array.from({ length: 20 }, () => get('/health/deep')))
    await get('/health')
    expect(asked).toBe(1)
  })
})
