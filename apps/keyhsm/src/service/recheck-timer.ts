/**
 * Looks at a device again and again, off the way of every request, and says when what it finds changes. A device that could
 * not be connected is tried again here.
 */
import { type DomainError, type Realm, toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'

/** What is looked at. */
export interface Rechecked {
  readonly name: string
  /** Undefined while it is not connected. */
  readonly partition: Partition | undefined
  connect(): Promise<Partition>
}

export interface RecheckTimerOptions {
  readonly backend: Rechecked
  readonly log: Log
  /** Read before each pause: a reload may change it. */
  readonly everyMs: () => number
  readonly onError: (error: DomainError) => void
  /** Realms whose keys made ahead and left behind are removed. */
  readonly realms: () => readonly Realm[]
}

/** Pause after a look that failed, and after a request found the partition gone: it shall serve again soon after it is back. */
const retryMs = 2000
/** Connecting costs a process each time, so pauses grow to this. */
const maxConnectPauseMs = 60_000

/** Starts looking; the first look comes after one pause. @returns stops and waits for a look in progress. */
export function startRecheckTimer(o: RecheckTimerOptions): () => Promise<void> {
  let stopped = false
  let looking: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let trouble: string | undefined
  let level = o.backend.partition?.capacity.state().level ?? 'ok'
  let waitedMs = 0
  let failures = 0

  const look = async (): Promise<void> => {
    try {
      await lookAt(o)
      if (trouble !== undefined) o.log.info({ backend: o.backend.name }, 'the HSM answers again')
      trouble = undefined
      failures = 0
    } catch (error) {
      const known = toDomainError(error)
      o.onError(known)
      const what = o.backend.partition ? 'rechecked' : 'connected'
      if (trouble !== known.code) {
        o.log.warn({ error: known, backend: o.backend.name }, `the HSM cannot be ${what}`)
      }
      trouble = known.code
      failures += 1
    }
    level = warnOfCapacity(o, level)
    schedule()
  }
  const isDue = (): boolean => {
    const { partition } = o.backend
    if (!partition) return waitedMs >= Math.min(maxConnectPauseMs, retryMs * 2 ** failures)
    return waitedMs >= o.everyMs() || trouble !== undefined || !partition.visible
  }
  const turn = (): void => {
    if (!isDue()) {
      schedule()
      return
    }
    waitedMs = 0
    looking = look()
  }
  const schedule = (): void => {
    if (stopped) return
    const pauseMs = Math.min(retryMs, o.everyMs())
    timer = setTimeout(() => {
      waitedMs += pauseMs
      turn()
    }, pauseMs)
  }
  schedule()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await looking
  }
}

async function lookAt({ backend, log, realms }: RecheckTimerOptions): Promise<void> {
  if (!backend.partition) {
    const { hsm } = await backend.connect()
    log.info({ backend: backend.name, device: hsm.description }, 'the HSM is connected')
    return
  }
  await backend.partition.recheck()
  const removed = await backend.partition.removeStaleSpares(realms())
  if (removed > 0) log.info({ removed }, 'old HSM keys made ahead were removed')
}

type Level = 'ok' | 'warn' | 'full'

function warnOfCapacity({ backend, log }: RecheckTimerOptions, before: Level): Level {
  if (!backend.partition) return before
  const { level, keys, limit } = backend.partition.capacity.state()
  if (level !== before && level !== 'ok') {
    const what = level === 'full' ? 'no room for new HSM keys' : 'the HSM fills up'
    log.warn({ keys, limit, backend: backend.name }, what)
  }
  return level
}
