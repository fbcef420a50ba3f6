/** How one HSM is, for `keyhsm status`. */
import type { keyHsmStatusRoute, ReplyOf } from '@keyhsm/protocol'
import type { CapacityState } from '../keys/capacity.js'
import type { Partition } from '../partition/partition.js'
import type { Backend } from '../partition/partitions.js'
import type { BackendHealth } from '../partition/partition.js'
import { vendorPrefix } from '../settings.js'

export type BackendStatus = Omit<
  ReplyOf<typeof keyHsmStatusRoute>['backends'][number],
  'name' | 'default'
>

const probeDeadlineMs = 5000

/** Asks the device; never throws. */
export async function readBackendStatus(backend: Backend): Promise<BackendStatus> {
  const { device, partition } = backend
  const health = toHealthFields(await backend.health(probeDeadlineMs))
  const { hardware } = device
  if (partition) return { hardware, ...health, ...toPartitionFields(partition) }
  return {
    hardware,
    profile: vendorPrefix[hardware],
    device: '',
    ...health,
    keys: 0,
    capacity: 'ok',
    spareKeys: 0,
    ...(backend.domain === undefined ? {} : { domain: backend.domain }),
  }
}

function toHealthFields({ state, detail, roundTripMs, sessions, breaker }: BackendHealth) {
  const round = roundTripMs === undefined ? undefined : Math.round(roundTripMs * 100) / 100
  return {
    state,
    detail,
    ...(round === undefined ? {} : { roundTripMs: round }),
    sessions,
    breaker: breaker ?? 'closed',
  }
}

function toPartitionFields({ hsm, capacity, pool, kind, keys }: Partition) {
  const state = capacity.state()
  return {
    profile: hsm.profile,
    device: hsm.description,
    keys: state.keys,
    ...(state.limit === undefined ? {} : { keyLimit: state.limit }),
    ...toMemoryFields(state),
    capacity: state.level,
    spareKeys: pool.state().ready,
    kind,
    domain: keys.domain,
    canary: keys.canaryFingerprint,
  }
}

function toMemoryFields({ memory }: CapacityState) {
  return memory ? { deviceBytes: memory.totalBytes, deviceFreeBytes: memory.freeBytes } : {}
}
