/**
 * The monitoring listener of a service: metrics for Prometheus and health, in the clear and for whoever reaches the address.
 * What it says names no client, deposit or key; what it asks of the parts behind is asked once for all who come.
 */
import type { DomainError } from '@keyhsm/core'
import { deepRoute, healthRoute, liveRoute, metricsRoute, readyRoute } from '@keyhsm/protocol'
import {
  type BoundRoute,
  bindRoute,
  type HttpServer,
  startHttpServer,
  TextReply,
} from './http-server.js'
import type { Metrics } from './meters.js'

/** How one part is, in a word or two that say nothing to misuse: `ready`, `wrong-partition`, `not writable`. */
export interface PartState {
  readonly healthy: boolean
  readonly state: string
  /** The service serves, but not everything: said, and no reason to take it out of use. */
  readonly degraded?: boolean
}

export type Parts = Readonly<Record<string, PartState>>

export interface Monitored {
  readonly metrics: Metrics
  /** Whether requests would be accepted now. Asks no device and no database. */
  readonly ready: () => Parts
  /** Asks every part behind the service. */
  readonly deep: () => Promise<Parts>
}

export interface MonitoringOptions extends Monitored {
  readonly listen: { readonly host: string; readonly port: number }
  readonly onError: (
    error: DomainError,
    about: { readonly requestId: string; readonly route: string; readonly status: number },
  ) => void
}

/** An answer of the parts behind is believed for so long. */
const deepAgeMs = 5000

/** @throws ERR_UNAVAILABLE, ERR_SETTINGS when the address cannot be used. */
export function startMonitoring(o: MonitoringOptions): Promise<HttpServer> {
  return startHttpServer({
    listen: o.listen,
    routes: monitoringRoutesOf(o),
    identify: () => undefined,
    onError: (error, about) => o.onError(error, about),
    // A monitor is one program, a scrape at a time; nobody else gets to hold memory here.
    limits: { maxConnections: 32, requestTimeoutMs: 10_000 },
  })
}

function monitoringRoutesOf({ metrics, ready, deep }: Monitored): BoundRoute[] {
  const cached = rememberFor(deepAgeMs, deep)
  const text = async () => new TextReply(await metrics.text(), 200, metrics.contentType)
  return [
    bindRoute(metricsRoute, text),
    bindRoute(liveRoute, () => Promise.resolve(reply(true, { status: 'live' }))),
    bindRoute(readyRoute, () => Promise.resolve(replyParts(ready()))),
    bindRoute(deepRoute, async () => {
      const { value, ageMs } = await cached()
      return replyParts({ ...ready(), ...value }, { ageMs })
    }),
    bindRoute(healthRoute, async () => {
      const { value, ageMs } = await cached()
      const [now, behind] = [ready(), value]
      const healthy = isHealthy(now) && isHealthy(behind)
      const parts = { ready: describe(now), deep: { ...describe(behind), ageMs } }
      const status = statusOf({ ...behind, ...now })
      return reply(healthy, { status, live: true, ...parts })
    }),
  ]
}

function replyParts(parts: Parts, more: object = {}): TextReply {
  const { healthy, ...shown } = describe(parts)
  return reply(healthy, { status: statusOf(parts), ...shown, ...more })
}

function statusOf(parts: Parts): 'ready' | 'degraded' | 'not ready' {
  if (!isHealthy(parts)) return 'not ready'
  return Object.values(parts).some(({ degraded }) => degraded) ? 'degraded' : 'ready'
}

function describe(parts: Parts) {
  const states = Object.entries(parts).map(([name, { state }]) => [name, state])
  return { healthy: isHealthy(parts), parts: Object.fromEntries(states) as Record<string, string> }
}

function isHealthy(parts: Parts): boolean {
  return Object.values(parts).every(({ healthy }) => healthy)
}

function reply(healthy: boolean, document: object): TextReply {
  return new TextReply(`${JSON.stringify(document)}\n`, healthy ? 200 : 503, 'application/json')
}

/** One question for all who come while it is asked, and for some time after. */
function rememberFor<Value>(
  ms: number,
  ask: () => Promise<Value>,
): () => Promise<{ readonly value: Value; readonly ageMs: number }> {
  let known: { readonly at: number; readonly value: Value } | undefined
  let asking: Promise<Value> | undefined
  return async () => {
    if (!known || performance.now() - known.at >= ms) {
      asking ??= ask().finally(() => {
        asking = undefined
      })
      known = { value: await asking, at: performance.now() }
    }
    return { value: known.value, ageMs: Math.round(performance.now() - known.at) }
  }
}
