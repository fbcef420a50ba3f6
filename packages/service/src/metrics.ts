/** Numbers about a running service, for Prometheus and for its own `status`. */
import type { Metrics } from './meters.js'

/** A registry of its own for each service. `prefix` begins every name, e.g. `keyhsm`. */
export async function openMetrics(prefix: string): Promise<Metrics> {
  const { createMetrics } = await import('./prometheus.js')
  return createMetrics(prefix)
}
