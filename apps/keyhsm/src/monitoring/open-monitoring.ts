/** The listener for monitors, on `keyhsm.service.address` and `keyhsm.service.port`. */
import {
  type Care,
  type HttpServer,
  type Meters,
  type Metrics,
  meterService,
  type MonitoringOptions,
  type OpenLog,
  startMonitoring,
} from '@keyhsm/service'
import type { LiveState } from '../service/live-state.js'
import type { hsmMeters } from './hsm-meters.js'
import { makeMonitor, type MonitorSources } from './monitor.js'

export interface MonitoredService extends Omit<MonitorSources, 'meters'> {
  readonly metrics: Metrics
  readonly meters: Meters<typeof hsmMeters>
  readonly log: Pick<OpenLog, 'state'>
  readonly live: () => LiveState
  readonly care: Care
  readonly onError: MonitoringOptions['onError']
}

/** Undefined where the port is 0: not served. @throws ERR_UNAVAILABLE when another program has the address. */
export async function openMonitoring(o: MonitoredService): Promise<HttpServer | undefined> {
  const { metrics, log, onError, care } = o
  meterService(metrics, { log, care })
  const monitor = makeMonitor(o)
  const { serviceAddress: host, servicePort: port } = o.live().settings
  if (port === 0) return undefined
  return await startMonitoring({ ...monitor, metrics, onError, listen: { host, port } })
}
