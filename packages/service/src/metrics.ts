/** Numbers about a running service, for Prometheus and for its own `status`. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** How late the event loop ran its timers since the last reading, in milliseconds. */
export interface EventLoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Metrics {
  readonly registry: Registry
  /** Counts one answered request; `route` is the route's template (never a caller's path: labels must stay few). */
  observeRequest(route: string, status: number, seconds: number): void
  /** A gauge whose value is asked for when metrics are read. A `read` that throws leaves the gauge at its last value. */
  gauge(name: string, help: string, read: () => number | Promise<number>): Gauge
  /** Since start or {@link resetEventLoopDelay}. */
  eventLoopDelay(): EventLoopDelay
  resetEventLoopDelay(): void
  /** Prometheus text. */
  text(): Promise<string>
  /** Media type of {@link text}. */
  readonly contentType: string
  /** Stops measuring. */
  close(): void
}

/** Interval of the sampling timer; its own length is part of each sample and is subtracted. */
const samplingMs = 10
const requestSecondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30,
]

/** A registry of its own for each service. `prefix` begins every name, e.g. `keyhsm`. */
export function createMetrics(prefix: string): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: `${prefix}_` })
  const requests = new Histogram({
    name: `${prefix}_http_request_seconds`,
    help: 'Time from the end of the headers to the end of the reply',
    labelNames: ['route', 'status'] as const,
    buckets: requestSecondsBuckets,
    registers: [registry],
  })
  const delay = monitorEventLoopDelay({ resolution: samplingMs })
  delay.enable()
  const eventLoopDelay = () => readDelay(delay)
  const gauge: Metrics['gauge'] = (name, help, read) =>
    addGauge(registry, `${prefix}_${name}`, help, read)
  gauge(
    'event_loop_delay_p50_seconds',
    'Median delay of the event loop',
    () => eventLoopDelay().p50Ms / 1e3,
  )
  gauge(
    'event_loop_delay_p99_seconds',
    '99th percentile of the delay of the event loop',
    () => eventLoopDelay().p99Ms / 1e3,
  )
  return {
    registry,
    contentType: registry.contentType,
    observeRequest: (route, status, seconds) => requests.observe({ route, status }, seconds),
    gauge,
    eventLoopDelay,
    resetEventLoopDelay: () => delay.reset(),
    text: () => registry.metrics(),
    close: () => {
      delay.disable()
      registry.clear()
    },
  }
}

function addGauge(
  registry: Registry,
  name: string,
  help: string,
  read: () => number | Promise<number>,
): Gauge {
  return new Gauge({
    name,
    help,
    registers: [registry],
    async collect() {
      try {
        this.set(await read())
      } catch {
        // One unreadable number must not hide all the others.
      }
    },
  })
}

function readDelay(delay: ReturnType<typeof monitorEventLoopDelay>): EventLoopDelay {
  const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - samplingMs)
  if (delay.count === 0) return { p50Ms: 0, p99Ms: 0, maxMs: 0 }
  return {
    p50Ms: late(delay.percentile(50)),
    p99Ms: late(delay.percentile(99)),
    maxMs: late(delay.max),
  }
}
