/** What a running server does by itself: watches its parts, forgets old requests, sweeps abandoned reservations. */
import { toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import { hsmKeyWindowMs } from '../deposits/quotas.js'
import { type RefusedPurges, resumePurges, reviveRevocations } from '../deposits/purge-deposit.js'
import { sweepPendingPuts } from '../deposits/release-reservation.js'
import type { Trustee } from '../trustee.js'
import { describeParts, isHealthy, type Parts } from './health.js'

/** How long a request id is remembered: retries come within minutes, restored clients within days. */
const requestMemoryMs = 7 * 86400_000
/** Longer than any put can take: its deadline, times the batches of a batch. */
const abandonedAfterMs = 15 * 60_000
const healthEveryMs = 5_000
const sweepEveryMs = 60_000
const purgeEveryMs = 5_000
const followEveryMs = 1_000
const exchangeHeadsEveryMs = 60_000
const showMigrationEveryMs = 60_000
const followDirectionEveryMs = 2_000

export interface HousekeepingOptions {
  readonly trustee: Trustee
  readonly log: Log
  readParts(): Promise<Parts>
  /** Lets Key HSM record the head of the audit, and records that of its. */
  exchangeHeads(): Promise<void>
  /** Takes over authorities of clients that another server changed. */
  followAuthorities(): Promise<void>
  /** Begins a rotation that is due. */
  reseal(): Promise<void>
  /** Shows other servers that a migration which rests is not given up. */
  showMigration(): Promise<void>
  /** Puts go where a migration on another server says. */
  followDirection(): Promise<void>
  /** Time between two looks for a rotation that is due. */
  readonly resealEveryMs: number
}

/** Starts every round. @returns stops them and waits for one under way. */
export function startHousekeeping(o: HousekeepingOptions): () => Promise<void> {
  let line: string | undefined
  const watch = async (): Promise<void> => {
    const parts = await o.readParts()
    const now = describeParts(parts)
    if (now !== line && isHealthy(parts)) o.log.info({}, `health: ${now}`)
    else if (now !== line) o.log.warn({}, `health: ${now}`)
    line = now
    await o.trustee.store.showKeyHsm?.(parts.keyHsm)
  }
  const stops = [
    every(healthEveryMs, watch, o.log),
    every(sweepEveryMs, () => sweepOnce(o), o.log),
    every(followEveryMs, () => o.followAuthorities(), o.log),
    every(purgeEveryMs, purgeRounds(o), o.log),
    every(exchangeHeadsEveryMs, () => o.exchangeHeads(), o.log),
    every(o.resealEveryMs, () => o.reseal(), o.log),
    every(followDirectionEveryMs, () => o.followDirection(), o.log),
    every(showMigrationEveryMs, () => o.showMigration(), o.log),
  ]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

async function sweepOnce({ trustee, log }: HousekeepingOptions): Promise<void> {
  const now = trustee.clock.now().getTime()
  const swept = await sweepPendingPuts(trustee, new Date(now - abandonedAfterMs))
  if (swept.length > 0) log.warn({ count: swept.length }, 'abandoned reservations are removed')
  await trustee.store.withTransaction(async (transaction) => {
    await transaction.deleteRequestsBefore(new Date(now - requestMemoryMs))
    await transaction.deleteRetrievalRequestsBefore(new Date(now - requestMemoryMs))
    await transaction.deleteHsmKeyCountsBefore(new Date(now - 2 * hsmKeyWindowMs))
  })
}

/** The first round also looks whether the database was restored from before a purge. */
function purgeRounds({ trustee, log }: HousekeepingOptions): () => Promise<void> {
  const refusedUntil: RefusedPurges = new Map()
  let revived = false
  let waiting = 0
  let refusedBefore = ''
  return async () => {
    if (!revived) await reviveRevocations(trustee)
    revived = true
    const { done, left, refused } = await resumePurges(trustee, refusedUntil)
    if (done > 0) log.info({ count: done }, 'purges that were cut off are finished')
    if (left > 0 && left !== waiting)
      log.warn({ count: left }, 'purges wait: their HSM keys cannot be revoked now')
    const refusedNow = [...refusedUntil.keys()].join()
    if (refused > 0 && refusedNow !== refusedBefore)
      log.warn(
        { deposits: [...refusedUntil.keys()].slice(0, 10), count: refused },
        'purges wait for an administrator: their stored bytes do not show that the HSM keys are theirs',
      )
    waiting = left
    refusedBefore = refusedNow
  }
}

/** One round after the other, each a pause after the one before; a failed round is logged and tried again. */
function every(pauseMs: number, round: () => Promise<void>, log: Log): () => Promise<void> {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  const run = async (): Promise<void> => {
    await round().catch((error: unknown) => {
      log.debug({ error: toDomainError(error) }, 'a round of housekeeping failed')
    })
    schedule()
  }
  const schedule = (): void => {
    if (stopped) return
    timer = setTimeout(() => {
      running = run()
    }, pauseMs)
    timer.unref()
  }
  schedule()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await running
  }
}
