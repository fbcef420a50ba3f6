/** Numbers about the log, the certificates and the disks of a service; registers the rows of `serviceMeters`. */
import { readDiskUse } from './care/disk-use.js'
import type { Care } from './care/watch-warnings.js'
import type { OpenLog } from './log.js'
import type { Metrics } from './meters.js'
import { serviceMeters } from './metrics-table.js'

export interface ServiceSources {
  readonly log: Pick<OpenLog, 'state'>
  readonly care: Care
}

/** Ties the rows to their sources. */
export function meterService(metrics: Metrics, { log, care }: ServiceSources): void {
  const meters = metrics.meters(serviceMeters)
  meters.logHealthy.from(() => (log.state().healthy ? 1 : 0))
  meters.certificateExpiry.from(() =>
    care.certificates().map(({ id: certificate, expiresAt }) => ({
      labels: { certificate },
      value: expiresAt.getTime() / 1000,
    })),
  )
  meters.diskUsed.from(async () => {
    const uses = await Promise.all(
      care.folders().map(async ({ what, path }) => ({ what, use: await readDiskUse(path) })),
    )
    return uses.flatMap(({ what, use }) =>
      use ? [{ labels: { folder: what }, value: use.used }] : [],
    )
  })
}
