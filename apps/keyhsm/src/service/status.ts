/** How the service and its HSM are, for `keyhsm status` and the health page. */
import { X509Certificate } from 'node:crypto'
import type { Clock } from '@keyhsm/core'
import type { HsmCapabilities, HsmHealth } from '@keyhsm/hsm'
import type { keyHsmStatusRoute, ReplyOf } from '@keyhsm/protocol'
import { type Audit, certificateFingerprint } from '@keyhsm/service'
import type { CapacityState } from '../keys/capacity.js'
import { expiryWarnings } from '../certificates/expiry.js'
import type { Partition } from '../partition/partition.js'
import { version } from '../version.js'
import type { LiveState } from './live-state.js'

export type Status = ReplyOf<typeof keyHsmStatusRoute>

export interface StatusSources {
  readonly partition: Partition
  readonly audit: Audit
  readonly live: LiveState
  readonly clock: Clock
  readonly startedAt: Date
  /** `host:port` as it listens. */
  readonly listener: string
  readonly management: string
  readonly log: Status['log']
  readonly lastError?: NonNullable<Status['lastError']>
}

const probeDeadlineMs = 5000

export async function readStatus(sources: StatusSources): Promise<Status> {
  const { partition, audit, live, clock, startedAt, listener, management, lastError } = sources
  const { hsm, keys } = partition
  const health = await hsm.probe({ deadlineMs: probeDeadlineMs })
  const capacity = partition.capacity.state()
  const auditState = audit.state()
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
    hardware: live.settings.hardware,
    profile: hsm.profile,
    device: hsm.description,
    state: toState(health, partition),
    detail: health.detail,
    ...(health.roundTripMs === undefined
      ? {}
      : { roundTripMs: Math.round(health.roundTripMs * 100) / 100 }),
    sessions: health.sessions,
    breaker: health.breaker ?? 'closed',
    ...(lastError === undefined ? {} : { lastError }),
    keys: capacity.keys,
    ...(capacity.limit === undefined ? {} : { keyLimit: capacity.limit }),
    ...toMemoryFields(capacity),
    capacity: capacity.level,
    spareKeys: partition.pool.state().ready,
    scope: live.settings.scope,
    kind: partition.kind,
    domain: keys.domain,
    canary: keys.canaryFingerprint,
    realms: live.trust.realms,
    auditHealthy: auditState.healthy,
    auditDetail: auditState.detail,
    auditSequence: audit.head().sequence,
    log: sources.log,
    warnings: [...findWarnings(partition, live), ...expiryWarnings(live, clock.now())],
    memoryBytes: process.memoryUsage.rss(),
  }
}

function toMemoryFields({ memory }: CapacityState) {
  return memory ? { deviceBytes: memory.totalBytes, deviceFreeBytes: memory.freeBytes } : {}
}

function toState(health: HsmHealth, partition: Partition): Status['state'] {
  return health.state === 'ready' && !partition.visible ? 'wrong-partition' : health.state
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

function findWarnings(partition: Partition, live: LiveState): string[] {
  const { hsm, keys, capacity } = partition
  const rules: readonly (readonly [boolean, string])[] = [
    [live.trust.certificates.length === 0, 'no certificate is trusted: nobody can connect'],
    [keys.audit === undefined, 'the HSM has no signing key: audit checkpoints are not signed'],
    [capacity.state().level === 'warn', 'the partition is more than four fifths full'],
    [capacity.state().level === 'full', 'the partition is full: no new HSM keys are made'],
  ]
  const { trouble } = partition.pool.state()
  return [
    ...findDeviceWarnings(hsm.profile, hsm.capabilities),
    ...rules.filter(([holds]) => holds).map(([, warning]) => warning),
    ...(trouble === undefined ? [] : [trouble]),
  ]
}
