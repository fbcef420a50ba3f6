/** What a Trustee Server must know of the partitions and the settings it is sealed with; recorded when it joins. */
import type { Realm } from '@keyhsm/core'
import type { ReplyOf, describeRoute } from '@keyhsm/protocol'
import type { Backend } from '../partition/partitions.js'
import { type Hardware, vendorPrefix } from '../settings.js'
import { version } from '../version.js'
import type { Workshop } from './caller.js'

type Description = ReplyOf<typeof describeRoute>

/** Those that stand in for an HSM. */
const softwareDevices: readonly Hardware[] = ['softhsm', 'nss', 'soft-token']

const probeDeadlineMs = 5000
/** The others are shown beside the one that is asked for; none of them may hold it up for long. */
const glanceDeadlineMs = 1000

/**
 * Asks the devices whether they answer; never throws for that.
 * @throws ERR_NOT_FOUND when no backend has the name; ERR_HSM_UNAVAILABLE when it is not connected yet.
 */
export async function describePartition(
  { partitions, clock, settings }: Workshop,
  realm: Realm,
  name?: string,
): Promise<Description> {
  const { keys, hsm, kind, capacity } = partitions.named(name)
  const asked = partitions.find(name)
  const backends = await Promise.all(
    partitions.backends.map(async (backend) => {
      const deadlineMs = backend === asked ? probeDeadlineMs : glanceDeadlineMs
      return describe(backend, { deadlineMs, isDefault: backend === partitions.default })
    }),
  )
  const { keys: used, limit, room } = capacity.state()
  return {
    realm,
    canary: keys.canaryFingerprint,
    domain: keys.domain,
    backend: asked.name,
    defaultBackend: asked === partitions.default,
    capacity: {
      used,
      ...(limit === undefined ? {} : { limit }),
      ...(room === undefined ? {} : { room }),
    },
    backends,
    scope: settings.scope,
    kind,
    profile: hsm.profile,
    device: hsm.description,
    durableKeys: hsm.capabilities.durableKeys,
    hardware: hsm.capabilities.hardware,
    state: backends[partitions.backends.indexOf(asked)]?.state ?? 'unavailable',
    version,
    now: clock.now().toISOString(),
  }
}

async function describe(
  backend: Backend,
  { deadlineMs, isDefault }: { readonly deadlineMs: number; readonly isDefault: boolean },
): Promise<Description['backends'][number]> {
  const { name, device, partition } = backend
  const { state } = await backend.health(deadlineMs)
  const domain = partition?.keys.domain ?? backend.domain
  return {
    name,
    default: isDefault,
    state: state === 'wrong-partition' ? 'unavailable' : state,
    ...(partition ? { canary: partition.keys.canaryFingerprint } : {}),
    ...(domain === undefined ? {} : { domain }),
    hardware: !softwareDevices.includes(device.hardware),
    profile: vendorPrefix[device.hardware],
    device: partition?.hsm.description ?? '',
  }
}
