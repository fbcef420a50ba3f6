/** What a Trustee Server must know of the partition and the settings it is sealed with; recorded when it joins. */
import type { Realm } from '@keyhsm/core'
import type { ReplyOf, describeRoute } from '@keyhsm/protocol'
import { version } from '../version.js'
import type { Workshop } from './caller.js'

const probeDeadlineMs = 5000

/** Asks the device whether it answers; never throws for that. */
export async function describePartition(
  { partition, clock, settings }: Workshop,
  realm: Realm,
): Promise<ReplyOf<typeof describeRoute>> {
  const { hsm, keys } = partition
  const health = await hsm.probe({ deadlineMs: probeDeadlineMs })
  return {
    realm,
    canary: keys.canaryFingerprint,
    domain: keys.domain,
    scope: settings.scope,
    kind: partition.kind,
    profile: hsm.profile,
    device: hsm.description,
    durableKeys: hsm.capabilities.durableKeys,
    hardware: hsm.capabilities.hardware,
    state: health.state === 'ready' && !partition.visible ? 'unavailable' : health.state,
    version,
    now: clock.now().toISOString(),
  }
}
