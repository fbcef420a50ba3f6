/** What Key HSM shows to monitors: how its devices are, without a second one asked for each who comes. */
import type { Audit, Labels, Meters, PartState, Parts } from '@keyhsm/service'
import type { CapacityState } from '../keys/capacity.js'
import type { OpenAlarm } from '../operations/open-alarm.js'
import type { Partition } from '../partition/partition.js'
import type { Backend, Partitions } from '../partition/partitions.js'
import type { BackendHealth } from '../partition/partition.js'
import type { hsmMeters } from './hsm-meters.js'

export interface MonitorSources {
  /** Asked at each reading: a reload exchanges them. */
  readonly partitions: () => Partitions
  readonly audit: Pick<Audit, 'state'>
  readonly openAlarm: Pick<OpenAlarm, 'raised'>
  readonly meters: Meters<typeof hsmMeters>
  readonly inFlight: () => number
}

export interface Monitor {
  /** What is known without asking the devices. */
  readonly ready: () => Parts
  /** Asks the devices. */
  readonly deep: () => Promise<Parts>
}

const probeDeadlineMs = 5000
/** Metrics are read often: a look at a device is believed for so long. */
const lookAgeMs = 5000

/** Ties the rows of the table to their sources. */
export function makeMonitor({ partitions, audit, ...o }: MonitorSources): Monitor {
  meterBackends(partitions, o.meters)
  o.meters.inFlight.from(o.inFlight)
  o.meters.openAlarm.from(() => o.openAlarm.raised().map((realm) => reading({ realm }, 1)))
  const ready = (): Parts => {
    const { healthy } = audit.state()
    const raised = o.openAlarm.raised().length > 0
    const states = partitions().backends.map((backend) => ({
      backend,
      state: backend.partition?.visible === false ? 'wrong-partition' : stateOf(backend),
    }))
    return {
      ...toParts('partition', partitions(), states),
      audit: { healthy, state: healthy ? 'ready' : 'not writable' },
      opens: { healthy: true, degraded: raised, state: raised ? 'unusually many' : 'ready' },
    }
  }
  const deep = async (): Promise<Parts> => {
    const states = await Promise.all(
      partitions().backends.map(async (backend) => {
        const { state } = await backend.health(probeDeadlineMs)
        return { backend, state }
      }),
    )
    return { ...toParts('hsm', partitions(), states), ...capacityParts(partitions()) }
  }
  return { ready, deep }
}

function stateOf({ partition }: Backend): string {
  return partition ? 'ready' : 'unavailable'
}

/**
 * A part for each backend; the default one's has no name behind it. While one of them serves, the service is not to be taken
 * out of use for the others.
 */
function toParts(
  part: string,
  partitions: Partitions,
  states: readonly { readonly backend: Backend; readonly state: string }[],
): Parts {
  const oneServes = states.some(({ state }) => state === 'ready')
  const parts = states.map(({ backend, state }): [string, PartState] => {
    const good = state === 'ready'
    return [
      partName(part, partitions, backend),
      { healthy: good || oneServes, degraded: !good, state },
    ]
  })
  return Object.fromEntries(parts)
}

/** A full partition opens as ever, so it is no reason to take the service out. */
function capacityParts(partitions: Partitions): Parts {
  const parts = partitions.connected().map(({ backend, partition }): [string, PartState] => {
    const { level } = partition.capacity.state()
    return [partName('capacity', partitions, backend), { healthy: true, state: level }]
  })
  return Object.fromEntries(parts)
}

function partName(part: string, partitions: Partitions, backend: Backend): string {
  return backend === partitions.default ? part : `${part} ${backend.name}`
}

function reading(labels: Labels, value: number) {
  return { labels, value }
}

type ReadHealth = (health: BackendHealth, backend: Backend) => number | undefined

function meterBackends(partitions: () => Partitions, meters: MonitorSources['meters']): void {
  const look = makeLook()
  const fromHealth = (read: ReadHealth) => async () => {
    const readings = partitions().backends.map(async (backend) => {
      return toReadings(backend, read(await look(backend), backend))
    })
    return (await Promise.all(readings)).flat()
  }
  const fromPartition = (read: (partition: Partition) => number | undefined) => () =>
    partitions()
      .connected()
      .flatMap(({ backend, partition }) => toReadings(backend, read(partition)))
  const fromCapacity = (read: (state: CapacityState) => number | undefined) =>
    fromPartition(({ capacity }) => read(capacity.state()))
  // A look is some seconds old; that the partition is gone is known at once.
  meters.ready.from(
    fromHealth(({ state }, { partition }) => (state === 'ready' && partition?.visible ? 1 : 0)),
  )
  meters.roundTrip.from(fromHealth(({ roundTripMs: ms }) => (ms === undefined ? ms : ms / 1000)))
  meters.sessions.from(fromHealth(({ sessions }) => sessions))
  meters.breaker.from(fromHealth(({ breaker }) => (breaker === 'open' ? 1 : 0)))
  meters.keys.from(fromCapacity(({ keys }) => keys))
  meters.keyLimit.from(fromCapacity(({ limit }) => limit))
  meters.memory.from(fromCapacity(({ memory }) => memory?.totalBytes))
  meters.memoryFree.from(fromCapacity(({ memory }) => memory?.freeBytes))
  meters.full.from(fromCapacity(({ level }) => (level === 'full' ? 1 : 0)))
  meters.spareKeys.from(fromPartition(({ pool }) => pool.state().ready))
}

function toReadings({ name }: Backend, value: number | undefined) {
  return value === undefined ? [] : [reading({ backend: name }, value)]
}

/** One look at a device for all numbers of a scrape, and for scrapes soon after. */
function makeLook(): (backend: Backend) => Promise<BackendHealth> {
  const looks = new WeakMap<
    Backend,
    { readonly at: number; readonly health: Promise<BackendHealth> }
  >()
  return (backend) => {
    const now = performance.now()
    const last = looks.get(backend)
    if (last && now - last.at <= lookAgeMs) return last.health
    const health = backend.health(probeDeadlineMs)
    looks.set(backend, { at: now, health })
    return health
  }
}
