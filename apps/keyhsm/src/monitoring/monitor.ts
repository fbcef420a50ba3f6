/** What Key HSM shows to monitors: how its device is, without a second one asked for each who comes. */
import type { HsmHealth } from '@keyhsm/hsm'
import type { Audit, Meters, Parts } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'
import type { hsmMeters } from './hsm-meters.js'

export interface MonitorSources {
  readonly partition: Partition
  readonly audit: Pick<Audit, 'state'>
  readonly meters: Meters<typeof hsmMeters>
  readonly inFlight: () => number
}

export interface Monitor {
  /** What is known without asking the device. */
  readonly ready: () => Parts
  /** Asks the device. */
  readonly deep: () => Promise<Parts>
}

const probeDeadlineMs = 5000
/** Metrics are read often: a look at the device is believed for so long. */
const lookAgeMs = 5000

/** Ties the rows of the table to their sources. */
export function makeMonitor({ partition, audit, meters, inFlight }: MonitorSources): Monitor {
  const look = makeLook(partition)
  const capacity = () => partition.capacity.state()
  meters.ready.from(async () => (isReady(await look(), partition) ? 1 : 0))
  meters.roundTrip.from(async () => toSeconds((await look()).roundTripMs))
  meters.sessions.from(async () => (await look()).sessions)
  meters.breaker.from(async () => ((await look()).breaker === 'open' ? 1 : 0))
  meters.keys.from(() => capacity().keys)
  meters.keyLimit.from(() => capacity().limit)
  meters.memory.from(() => capacity().memory?.totalBytes)
  meters.memoryFree.from(() => capacity().memory?.freeBytes)
  meters.full.from(() => (capacity().level === 'full' ? 1 : 0))
  meters.spareKeys.from(() => partition.pool.state().ready)
  meters.inFlight.from(inFlight)
  const ready = (): Parts => {
    const { healthy } = audit.state()
    return {
      partition: {
        healthy: partition.visible,
        state: partition.visible ? 'ready' : 'wrong-partition',
      },
      audit: { healthy, state: healthy ? 'ready' : 'not writable' },
    }
  }
  const deep = async (): Promise<Parts> => {
    const health = await partition.hsm.probe({ deadlineMs: probeDeadlineMs })
    const { level } = capacity()
    return {
      hsm: { healthy: health.state === 'ready', state: health.state },
      // A full partition opens as ever, so it is no reason to take the service out.
      capacity: { healthy: true, state: level },
    }
  }
  return { ready, deep }
}

function isReady(health: HsmHealth, partition: Partition): boolean {
  return health.state === 'ready' && partition.visible
}

function toSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}

/** One look at the device for all numbers of a scrape, and for scrapes soon after. */
function makeLook({ hsm }: Partition): () => Promise<HsmHealth> {
  let last: { readonly at: number; readonly health: Promise<HsmHealth> } | undefined
  return () => {
    const now = performance.now()
    if (!last || now - last.at > lookAgeMs) {
      last = { at: now, health: hsm.probe({ deadlineMs: probeDeadlineMs }) }
    }
    return last.health
  }
}
