/** How the service and its HSM are, for `keyhsm status` and the health page. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '@keyhsm/core'
import type { HsmCapabilities } from '@keyhsm/hsm'
import type { keyHsmStatusRoute, ReplyOf } from '@keyhsm/protocol'
import { type Audit, type Care, certificateFingerprint, findCareWarnings } from '@keyhsm/service'
import type { OpenAlarm } from '../operations/open-alarm.js'
import type { Partition } from '../partition/partition.js'
import type { Partitions } from '../partition/partitions.js'
import { version } from '../version.js'
import { readBackendStatus } from './backend-status.js'
import type { LiveState } from './live-state.js'

export type Status = ReplyOf<typeof keyHsmStatusRoute>

export interface StatusSources {
  readonly partitions: Partitions
  readonly openAlarm: Pick<OpenAlarm, 'raised'>
  readonly audit: Audit
  readonly live: LiveState
  readonly care: Care
  readonly clock: Clock
  readonly startedAt: Date
  /** `host:port` as it listens. */
  readonly listener: string
  readonly management: string
  readonly log: Status['log']
  readonly lastError?: NonNullable<Status['lastError']>
}

export async function readStatus(sources: StatusSources): Promise<Status> {
  const { partitions, audit, live, clock, startedAt, listener, management, lastError } = sources
  const first = readBackendStatus(partitions.default)
  const shown = await Promise.all(
    partitions.backends.map(async (backend) => {
      const isDefault = backend === partitions.default
      const status = await (isDefault ? first : readBackendStatus(backend))
      return { name: backend.name, default: isDefault, ...status }
    }),
  )
  const auditState = audit.state()
  const careWarnings = await findCareWarnings(sources.care)
  const certificate = new X509Certificate(live.keystore.certificate)
  return {
    version,
    pid: process.pid,
    startedAt: startedAt.toISOString(),
    now: clock.now().toISOString(),
    uptimeSeconds: Math.floor((clock.now().getTime() - startedAt.getTime()) / 1000),
    listener,
    management,
    certificateFingerprint: certificateFingerprint(certificate),
    certificateExpiresAt: new Date(certificate.validTo).toISOString(),
    backend: partitions.default.name,
    ...(await first),
    ...(lastError === undefined ? {} : { lastError }),
    backends: shown,
    scope: live.settings.scope,
    realms: live.trust.realms,
    auditHealthy: auditState.healthy,
    auditDetail: auditState.detail,
    auditSequence: audit.head().sequence,
    log: sources.log,
    warnings: [...findWarnings(sources, shown), ...careWarnings.map(({ text }) => text)],
    memoryBytes: process.memoryUsage.rss(),
  }
}

/** What an operator would not expect of a device; said in the log at each start too. */
export function findDeviceWarnings(profile: string, capabilities: HsmCapabilities): string[] {
  const rules: readonly (readonly [boolean, string])[] = [
    [profile === 'soft-token', 'the software token is for development only: it protects nothing'],
    [
      !capabilities.durableKeys,
      'keys are not durable: a power cut can lose keys of acknowledged deposits (SoftHSM never fsyncs)',
    ],
    [
      !capabilities.seesOutsideChanges,
      'keys removed with the HSM’s own tools are not noticed before a restart',
    ],
  ]
  return rules.filter(([holds]) => holds).map(([, warning]) => warning)
}

function findWarnings(
  { partitions, live, openAlarm }: StatusSources,
  shown: Status['backends'],
): string[] {
  const several = shown.length > 1
  const down = shown.filter(({ state }) => several && state !== 'ready')
  const own = partitions.connected().flatMap(({ backend, partition }) => {
    const signs = backend !== partitions.default || partition.keys.audit !== undefined
    const warnings = [
      ...findPartitionWarnings(partition),
      ...(signs ? [] : ['the HSM has no signing key: audit checkpoints are not signed']),
    ]
    return several ? warnings.map((warning) => `${backend.name}: ${warning}`) : warnings
  })
  return [
    ...(live.trust.certificates.length === 0
      ? ['no certificate is trusted: nobody can connect']
      : []),
    ...down.map(({ name, state }) => `${name}: ${state}: its deposits do not open now`),
    ...openAlarm.raised().map((realm) => `realm ${realm} opens unusually many deposits`),
    ...own,
  ]
}

function findPartitionWarnings({ hsm, capacity, pool }: Partition): string[] {
  const { level } = capacity.state()
  const { trouble } = pool.state()
  return [
    ...findDeviceWarnings(hsm.profile, hsm.capabilities),
    ...(level === 'warn' ? ['the partition is more than four fifths full'] : []),
    ...(level === 'full' ? ['the partition is full: no new HSM keys are made'] : []),
    ...(trouble === undefined ? [] : [trouble]),
  ]
}
