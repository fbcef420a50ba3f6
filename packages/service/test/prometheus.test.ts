import { describe, expect, it, onTestFinished } from 'vitest'
import { createMetrics } from '../src/prometheus.js'

function metricsOf(prefix: string) {
  const metrics = createMetrics(prefix)
  onTestFinished(() => metrics.close())
  return metrics
}

/** Holds the event loop for so long. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('createMetrics', () => {
  it('keeps services in one process apart', async () => {
    const [one, two] = [metricsOf('one'), metricsOf('two')]
    one.observeRequest('GET /x', 200, 0.002)
    expect(await one.text()).toContain(
      'one_http_request_seconds_count{route="GET /x",status="200"} 1',
    )
    expect(await two.text()).not.toContain('GET /x')
    expect(one.contentType).toContain('text/plain')
  })

  it('reads a gauge when it is asked, and shows the others when one fails', async () => {
    const metrics = metricsOf('g')
    let value = 1
    const gauge = (name: string, labels: string[] = []) =>
      ({ kind: 'gauge', name, help: 'x', labels }) as const
    const meters = metrics.meters({
      queue: gauge('queue'),
      later: gauge('later'),
      broken: gauge('broken'),
      unknown: gauge('unknown'),
      ends: gauge('ends', ['part']),
    })
    meters.queue.from(() => value)
    meters.later.from(async () => 7)
    meters.unknown.from(() => undefined)
    meters.ends.from(() => [{ labels: { part: 'a' }, value: 1 }])
    meters.broken.from(() => {
      throw new Error('no')
    })
    value = 5
    const text = await metrics.text()
    expect(text).toContain('g_queue 5')
    expect(text).toContain('g_later 7')
    expect(text).toContain('g_ends{part="a"} 1')
    expect(text).not.toMatch(/^g_unknown/m)
    meters.ends.from(() => [{ labels: { part: 'b' }, value: 2 }])
    expect(await metrics.text()).not.toContain('part="a"')
  })

  it('measures how late the event loop is', async () => {
    const metrics = metricsOf('loop')
    // What is blocked before the sampler's first turn is not seen: blocked again, at the latest then it is.
    const blockUnlessSeen = () => {
      const { maxMs } = metrics.eventLoopDelay()
      if (maxMs <= 80) block(120)
      return maxMs
    }
    await expect.poll(blockUnlessSeen, { timeout: 5000 }).toBeGreaterThan(80)
    const { p99Ms, p50Ms } = metrics.eventLoopDelay()
    expect(p99Ms).toBeGreaterThanOrEqual(p50Ms)
    expect(await metrics.text()).toMatch(/loop_event_loop_delay_p99_seconds 0\.\d+/)
    metrics.resetEventLoopDelay()
    expect(metrics.eventLoopDelay()).toEqual({ p50Ms: 0, p99Ms: 0, maxMs: 0 })
  })
})
