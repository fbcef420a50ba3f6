/** The listener for monitors, on `keytrustee.monitoring.address` and `keytrustee.monitoring.port`. */
import {
  type Care,
  type HttpServer,
  meterService,
  meterTable,
  type Metrics,
  type MonitoringOptions,
  type OpenLog,
  type Parts as MonitoredParts,
  startMonitoring,
} from '@keyhsm/service'
import type { MigrationDesk } from '../migration/migration-desk.js'
import type { ResealSchedule } from '../migration/reseal-schedule.js'
import type { Parts } from '../service/health.js'
import { installationMeters, meterInstallation } from '../service/installation.js'
import type { LiveState } from '../service/live-state.js'
import type { Store } from '../store/store.js'

/** The Trustee Server's own numbers, as a table. Those of every service are in `@keyhsm/service`. */
export const trusteeMeters = meterTable({
  ...installationMeters,
  parts: {
    kind: 'gauge',
    name: 'part_healthy',
    help: '1 when the last look found the part well, else 0: database, audit, keyHsm',
    labels: ['part'],
  },
  inFlight: {
    kind: 'gauge',
    name: 'requests_in_flight',
    help: 'Requests of clients that are not answered yet',
  },
  migrationRevisions: {
    kind: 'gauge',
    name: 'migration_revisions',
    help: 'Revisions of the migration under way: total, moved, overtaken by other changes; absent when there is none',
    labels: ['what'],
  },
  resealDue: {
    kind: 'gauge',
    name: 'reseal_due_revisions',
    help: 'Revisions that were old enough for the scheduled reseal when it looked last; absent where none is scheduled',
  },
  migrationWaits: {
    kind: 'gauge',
    name: 'migration_waits',
    help: '1 while the migration under way cannot go on, else 0',
  },
})

export interface MonitoredServer {
  readonly metrics: Metrics
  readonly log: Pick<OpenLog, 'state'>
  readonly live: () => LiveState
  readonly care: Care
  readonly auditHealthy: () => boolean
  /** Looks at every part now. */
  readonly readParts: () => Promise<Parts>
  readonly inFlight: () => number
  readonly store: Pick<Store, 'installation'>
  readonly migration: Pick<MigrationDesk, 'order' | 'progress'>
  readonly schedule: Pick<ResealSchedule, 'state'>
  readonly onError: MonitoringOptions['onError']
}

/** Undefined where the port is 0: not served. @throws ERR_UNAVAILABLE when another program has the address. */
export async function openMonitoring(o: MonitoredServer): Promise<HttpServer | undefined> {
  const { metrics, log, onError } = o
  const { monitoringAddress: host, monitoringPort: port } = o.live().settings
  meterService(metrics, { log, care: o.care })
  const meters = metrics.meters(trusteeMeters)
  meterInstallation(meters, o.store)
  meters.inFlight.from(o.inFlight)
  meters.resealDue.from(() => o.schedule.state()?.due)
  meters.migrationWaits.from(() => Number(isWaiting(o.migration)))
  meters.migrationRevisions.from(() => migrationValues(o.migration))
  meters.parts.from(async () =>
    Object.entries(await o.readParts()).map(([part, { healthy }]) => ({
      labels: { part },
      value: healthy ? 1 : 0,
    })),
  )
  if (port === 0) return undefined
  return await startMonitoring({
    metrics,
    onError,
    listen: { host, port },
    ready: () => ({ audit: toState(o.auditHealthy(), 'not writable') }),
    deep: async () => toStates(await o.readParts()),
  })
}

function isWaiting({ order, progress }: MonitoredServer['migration']): boolean {
  return order !== undefined && order.state !== 'paused' && progress?.note !== undefined
}

function migrationValues({ order, progress }: MonitoredServer['migration']) {
  if (!order || !progress) return []
  const { total, moved, overtaken } = progress
  return Object.entries({ total, moved, overtaken }).map(([what, value]) => {
    return { labels: { what }, value }
  })
}

/** What a part says in words may name hosts and tokens: monitors get a word. */
function toStates(parts: Parts): MonitoredParts {
  const states = Object.entries(parts).map(([name, { healthy }]) => [
    name,
    toState(healthy, 'faulty'),
  ])
  return Object.fromEntries(states) as MonitoredParts
}

function toState(healthy: boolean, trouble: string): MonitoredParts[string] {
  return { healthy, state: healthy ? 'ready' : trouble }
}
