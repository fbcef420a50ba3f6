/** Rotation by itself: what got its present form longer ago than the setting says gets a new one, as by `ktadmin reseal`. */
import { hasCode, newUuid, toDomainError } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { MigrationDesk } from './migration-desk.js'
import type { StartOrder } from './start-migration.js'

export interface ResealScheduleOptions {
  readonly desk: Pick<MigrationDesk, 'order' | 'link' | 'trustee'>
  /** `keytrustee.reseal.older-than` as it is now; 0: never. */
  readonly olderThanMs: () => number
  readonly start: (order: StartOrder) => Promise<unknown>
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface ScheduleState {
  readonly olderThanDays: number
  /** When it looked last; undefined before the first time. */
  readonly lookedAt: Date | undefined
  /** Revisions that were old enough then. */
  readonly due: number
}

const dayMs = 86400_000

export class ResealSchedule {
  readonly #o: ResealScheduleOptions
  #lookedAt: Date | undefined
  #due = 0

  constructor(o: ResealScheduleOptions) {
    this.#o = o
  }

  /** Undefined where nothing is scheduled. */
  state(): ScheduleState | undefined {
    const olderThanMs = this.#o.olderThanMs()
    if (olderThanMs === 0) return undefined
    return { olderThanDays: toDays(olderThanMs), lookedAt: this.#lookedAt, due: this.#due }
  }

  /** Begins a rotation where one is due. Leaves it to the next look while a migration is under way. Never fails. */
  async look(): Promise<void> {
    const { desk, log } = this.#o
    const olderThanMs = this.#o.olderThanMs()
    const joined = desk.link.current()?.joined
    if (olderThanMs === 0 || !joined || joined.passThrough) return
    await this.#lookFor(toDays(olderThanMs)).catch((error: unknown) => {
      // Somebody began a migration between the look and the start, here or on another server of the installation.
      if (hasCode(error, 'ERR_CONFLICT')) return log.info({}, 'a migration is under way already')
      log.warn({ error: toDomainError(error) }, 'the scheduled reseal could not begin')
    })
  }

  async #lookFor(olderThanDays: number): Promise<void> {
    const { desk, log, start } = this.#o
    const { store, clock } = desk.trustee
    const now = clock.now()
    const sealedBefore = new Date(now.getTime() - olderThanDays * dayMs)
    const all = { sealing: 'hsm' } as const
    this.#due = (await store.countToMove({ from: all, to: all, sealedBefore })).revisions
    this.#lookedAt = now
    if (this.#due === 0 || desk.order) return
    log.info({ revisions: this.#due, olderThanDays }, 'the scheduled reseal begins')
    const wish = { reseal: true, olderThanDays }
    const by = { requestId: newUuid(), actor: 'service' }
    await start({ ...by, wish, understood: false, finishesItself: true })
  }
}

function toDays(ms: number): number {
  return Math.ceil(ms / dayMs)
}
