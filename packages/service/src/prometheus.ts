/** Numbers as the library for Prometheus keeps them. Loaded by `openMetrics` alone: no command needs it, and each would pay. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Labels, MeterSpec, Meters, MeterTable, Reading } from './meters.js'
import type { EventLoopDelay, Metrics } from './meters.js'
import { commonMeters, secondsBuckets } from './metrics-table.js'

/**
 * Interval of the sampling timer; its own length is part of each sample and is subtracted. Each sample wakes an idle service:
 * every 10 ms, twice, they were half of what it used.
 */
const samplingMs = 20
/** Of the library's own samples of the same, which hold the interval and are not shown. */
const librarySamplingMs = 60_000

/** A registry of its own for each service. `prefix` begins every name, e.g. `keyhsm`. */
export function createMetrics(prefix: string): Metrics {
  const registry = new Registry()
  collectProcessMetrics(registry, prefix)
  const delay = monitorEventLoopDelay({ resolution: samplingMs })
  delay.enable()
  const eventLoopDelay = () => readDelay(delay)
  const meters = <Table extends MeterTable>(table: Table): Meters<Table> =>
    register(registry, prefix, table)
  const { requests, delayP50, delayP99 } = meters(commonMeters)
  delayP50.from(() => eventLoopDelay().p50Ms / 1e3)
  delayP99.from(() => eventLoopDelay().p99Ms / 1e3)
  return {
    contentType: registry.contentType,
    observeRequest: (route, status, seconds) =>
      requests.observe({ route, status: String(status) }, seconds),
    meters,
    eventLoopDelay,
    resetEventLoopDelay: () => delay.reset(),
    text: () => registry.metrics(),
    close: () => {
      delay.disable()
      registry.clear()
    },
  }
}

function collectProcessMetrics(registry: Registry, prefix: string): void {
  collectDefaultMetrics({
    register: registry,
    prefix: `${prefix}_`,
    eventLoopMonitoringPrecision: librarySamplingMs,
  })
  const lag = registry.getMetricsAsArray().filter(({ name }) => name.includes('_eventloop_lag_'))
  for (const { name } of lag) registry.removeSingleMetric(name)
}

function register<Table extends MeterTable>(
  registry: Registry,
  prefix: string,
  table: Table,
): Meters<Table> {
  const made = Object.entries(table).map(([key, spec]) => [
    key,
    makers[spec.kind](registry, `${prefix}_${spec.name}`, spec),
  ])
  // Each row was made by the maker of its kind.
  return Object.fromEntries(made) as Meters<Table>
}

type Make = (registry: Registry, name: string, spec: MeterSpec) => unknown

const makers: Readonly<Record<MeterSpec['kind'], Make>> = {
  counter(registry, name, spec) {
    const counter = new Counter({ ...optionsOf(registry, name, spec) })
    return { add: (labels: Labels) => counter.inc(labels) }
  },
  histogram(registry, name, spec) {
    const histogram = new Histogram({ ...optionsOf(registry, name, spec), buckets: secondsBuckets })
    return { observe: (labels: Labels, seconds: number) => histogram.observe(labels, seconds) }
  },
  gauge(registry, name, spec) {
    let read: () => Reading | Promise<Reading> = () => undefined
    const gauge = new Gauge({
      ...optionsOf(registry, name, spec),
      async collect() {
        try {
          set(gauge, await read())
        } catch {
          // One unreadable number must not hide all the others.
        }
      },
    })
    return {
      from: (next: typeof read) => {
        read = next
      },
    }
  },
}

function optionsOf(registry: Registry, name: string, { help, labels = [] }: MeterSpec) {
  return { name, help, labelNames: [...labels], registers: [registry] }
}

/** What is not known any more is not shown, rather than with an old value. */
function set(gauge: Gauge, reading: Reading): void {
  gauge.reset()
  if (reading === undefined) gauge.remove({})
  else if (typeof reading === 'number') gauge.set(reading)
  else for (const { labels, value } of reading) gauge.set(labels, value)
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
