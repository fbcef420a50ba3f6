/** Looks at the device again and again, off the way of every request, and says when what it finds changes. */
import { type DomainError, type Realm, toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'

export interface RecheckTimerOptions {
  readonly partition: Partition
  readonly log: Log
  /** Read before each pause: a reload may change it. */
  readonly everyMs: () => number
  readonly onError: (error: DomainError) => void
  /** Realms whose keys made ahead and left behind are removed. */
  readonly realms: () => readonly Realm[]
}

/** Pause after a look that failed, and after a request found the partition gone: it shall serve again soon after it is back. */
const retryMs = 2000

/** Starts looking; the first look comes after one pause. @returns stops and waits for a look in progress. */
export function startRecheckTimer(o: RecheckTimerOptions): () => Promise<void> {
  let stopped = false
  let looking: Promise<void> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined
  let trouble: string | undefined
  let level = o.partition.capacity.state().level
  let waitedMs = 0

  const look = async (): Promise<void> => {
    try {
      await o.partition.recheck()
      const removed = await o.partition.removeStaleSpares(o.realms())
      if (removed > 0) o.log.info({ removed }, 'old HSM keys made ahead were removed')
      if (trouble !== undefined) o.log.info({}, 'the HSM answers again')
      trouble = undefined
    } catch (error) {
      const known = toDomainError(error)
      o.onError(known)
      if (trouble !== known.code) o.log.warn({ error: known }, 'the HSM cannot be rechecked')
      trouble = known.code
    }
    level = warnOfCapacity(o, level)
    schedule()
  }
  const turn = (): void => {
    const due = waitedMs >= o.everyMs() || trouble !== undefined || !o.partition.visible
    if (!due) {
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

type Level = 'ok' | 'warn' | 'full'

function warnOfCapacity({ partition, log }: RecheckTimerOptions, before: Level): Level {
  const { level, keys, limit } = partition.capacity.state()
  if (level !== before && level !== 'ok') {
    log.warn({ keys, limit }, level === 'full' ? 'no room for new HSM keys' : 'the HSM fills up')
  }
  return level
}
