/** Numbers about the log and the certificates of a service; registers the rows of `serviceMeters`. */
import type { OpenLog } from './log.js'
import type { Metrics } from './metrics.js'
import { serviceMeters } from './metrics-table.js'

export interface ServiceSources {
  readonly log: Pick<OpenLog, 'state'>
  /** When each certificate ends, by its part in the service: `server`, `trusted-1a2b3c4d`. */
  readonly certificates: () => Readonly<Record<string, Date>>
}

/** Ties the rows to their sources. */
export function meterService(metrics: Metrics, { log, certificates }: ServiceSources): void {
  const meters = metrics.meters(serviceMeters)
  meters.logHealthy.from(() => (log.state().healthy ? 1 : 0))
  meters.certificateExpiry.from(() =>
    Object.entries(certificates()).map(([certificate, endsAt]) => ({
      labels: { certificate },
      value: endsAt.getTime() / 1000,
    })),
  )
}
