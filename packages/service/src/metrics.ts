/** Numbers about a running service, for Prometheus and for its own `status`. */
import type { Meters, MeterTable } from './meters.js'

/** How late the event loop ran its timers since the last reading, in milliseconds. */
export interface EventLoopDelay {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface Metrics {
  /** Counts one answered request; `route` is the route's template (never a caller's path: labels must stay few). */
  observeRequest(route: string, status: number, seconds: number): void
  /** Registers the rows of a table, each name once. */
  meters<Table extends MeterTable>(table: Table): Meters<Table>
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

/** A registry of its own for each service. `prefix` begins every name, e.g. `keyhsm`. */
export async function openMetrics(prefix: string): Promise<Metrics> {
  const { createMetrics } = await import('./prometheus.js')
  return createMetrics(prefix)
}
