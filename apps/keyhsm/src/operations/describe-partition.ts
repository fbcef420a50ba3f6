/** What a Trustee Server must know of the partition and the settings it is sealed with; recorded when it joins. */
import { DomainError, type Realm } from '@keyhsm/core'
import type { ReplyOf, describeRoute } from '@keyhsm/protocol'
import { version } from '../version.js'
import type { Workshop } from './caller.js'

const probeDeadlineMs = 5000

/** Name of the backend that the settings know without a name. */
const name = 'default'

/** Asks the device whether it answers; never throws for that. */
export async function describePartition(
  { partition, clock, settings }: Workshop,
  realm: Realm,
  backend = name,
): Promise<ReplyOf<typeof describeRoute>> {
  if (backend !== name) throw new DomainError('ERR_NOT_FOUND', `there is no backend ${backend}`)
  const { hsm, keys } = partition
  const health = await hsm.probe({ deadlineMs: probeDeadlineMs })
  const state = health.state === 'ready' && !partition.visible ? 'unavailable' : health.state
  const { keys: used, limit } = partition.capacity.state()
  const shown = {
    canary: keys.canaryFingerprint,
    domain: keys.domain,
    state,
    hardware: hsm.capabilities.hardware,
    profile: hsm.profile,
    device: hsm.description,
  }
  return {
    realm,
    ...shown,
    backend: name,
    defaultBackend: true,
    backends: [{ name, default: true, ...shown }],
    capacity: limit === undefined ? { used } : { used, limit },
    scope: settings.scope,
    kind: partition.kind,
    durableKeys: hsm.capabilities.durableKeys,
    version,
    now: clock.now().toISOString(),
  }
}
