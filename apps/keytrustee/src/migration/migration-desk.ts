/**
 * The migration of this server: at most one at a time, which runs by itself until everything is moved, across restarts, and
 * waits where something it needs is away.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { DomainError, reached, toDomainError, type Uuid } from '@keyhsm/core'
import type { Log } from '@keyhsm/service'
import type { Paths } from '../paths.js'
import type { SealingState } from '../sealing/sealing-state.js'
import type { LinkInUse } from '../service/link-in-use.js'
import type { MigrationProgress } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { directionOf, finalDirectionOf, opensUnsealedIn } from './direct-puts.js'
import type { Directions } from './directions.js'
import { dropFormer, DropProgress, swapAllBack } from './end-moves.js'
import { formBefore, putMeanwhile } from './form-before.js'
import { moveAll, type MovingDesk } from './move-all.js'
import {
  type MigrationOrder,
  type OpenState,
  readMigrationOrder,
  removeMigrationOrder,
  selectionOf,
  writeMigrationOrder,
} from './migration-order.js'
import type { MoveWays } from './move-revision.js'

export interface MigrationDeskOptions {
  readonly trustee: Trustee
  readonly sealing: SealingState
  readonly paths: Paths
  readonly link: LinkInUse
  readonly directions: Directions
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** From a start or an order until the next one. */
interface Run {
  readonly signal: AbortSignal
  readonly drop: DropProgress
}

const firstPauseMs = 500
const longestPauseMs = 30_000
/** After so long without a sign the server that began a migration is gone; signs of those that rest come each minute. */
const deadAfterMs = 15 * 60_000

export class MigrationDesk {
  readonly trustee: Trustee
  readonly sealing: SealingState
  readonly paths: Paths
  readonly link: LinkInUse
  readonly directions: Directions
  readonly #log: MigrationDeskOptions['log']
  #order: MigrationOrder | undefined
  #progress: MigrationProgress | undefined
  #running: { readonly stop: AbortController; readonly done: Promise<void> } | undefined
  /** Orders wait for each other. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(o: MigrationDeskOptions) {
    this.trustee = o.trustee
    this.sealing = o.sealing
    this.paths = o.paths
    this.link = o.link
    this.directions = o.directions
    this.#log = o.log
  }

  get order(): MigrationOrder | undefined {
    return this.#order
  }

  /** Of the one under way, as it was committed last. */
  get progress(): MigrationProgress | undefined {
    return this.#progress
  }

  /** Reads what is under way and rules how deposits are kept meanwhile; call before anything is served. */
  async open(): Promise<void> {
    const joined = this.link.current()?.joined
    if (joined?.passThrough) this.sealing.ruleUnsealed({ puts: true, opens: true })
    this.#order = await readMigrationOrder(this.paths)
    // What cannot be read now is followed later: no put is committed before.
    if (!this.#order) return await this.directions.follow().catch(() => undefined)
    this.#progress = await this.trustee.store.findMigration(this.#order.uuid)
    if (!this.#progress) await this.#forget()
    else await this.#direct()
  }

  /** Goes on with what is under way. */
  resume(): void {
    const state = this.#order?.state
    if (state === undefined || state === 'paused' || state === 'moved') return
    if (this.#running || !this.link.current()) return
    const stop = new AbortController()
    this.#running = {
      stop,
      done: this.#work(stop.signal).finally(() => {
        this.#running = undefined
      }),
    }
  }

  /** Shows the other servers of the installation that what is open here, and rests, is not given up. */
  showOpen(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.#order || this.#running || !this.#progress) return
      await this.#save({ ...this.#progress, updatedAt: this.trustee.clock.now() })
    })
  }

  /** Ends the work of this process; what is under way goes on with the next. */
  async close(): Promise<void> {
    this.#running?.stop.abort()
    await this.#running?.done
  }

  /** One order after the other. @throws what `work` throws */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined)
    return done
  }

  /** Writes an order down, directs new deposits and begins. @throws ERR_CONFLICT when one is under way, here or on another server */
  async begin(order: MigrationOrder, progress: MigrationProgress): Promise<MigrationProgress> {
    this.requireNone()
    const aliveSince = new Date(this.trustee.clock.now().getTime() - deadAfterMs)
    await this.trustee.store.withTransaction((transaction) =>
      transaction.saveMigration(progress, { aliveSince }),
    )
    await writeMigrationOrder(this.paths, order)
    this.#order = order
    this.#progress = progress
    return progress
  }

  /** A link has come into use: goes on with what is under way, if anything is. */
  async joined(): Promise<void> {
    if (this.#order) await this.go()
    else await this.directions.follow()
  }

  /** Directs new deposits as the order says and starts moving; puts that began before are waited for by the last pass. */
  async go(): Promise<void> {
    await this.#direct()
    this.resume()
  }

  /** @throws ERR_CONFLICT naming the one under way */
  requireNone(): void {
    if (!this.#order) return
    const { uuid, state } = this.#order
    throw new DomainError('ERR_CONFLICT', `a migration is under way (${uuid}, ${state})`, {
      hints: ['see how far it is: ktadmin migrate status'],
    })
  }

  /** Stops moving, writes the next state down and goes on in it. */
  async turn(state: OpenState): Promise<MigrationProgress> {
    const order = this.#requireOrder()
    await this.close()
    if (state === 'running')
      await this.trustee.store.withTransaction((t) => t.deleteMigrationFaults(order.uuid))
    await this.#enter(state, { cursor: undefined })
    await this.#direct()
    this.resume()
    return this.#requireProgress()
  }

  async #work(signal: AbortSignal): Promise<void> {
    let pauseMs = firstPauseMs
    const drop = new DropProgress()
    const done = () => (this.#progress?.moved ?? 0) + drop.dropped
    while (!signal.aborted && this.#order) {
      const before = done()
      try {
        await this.#step(this.#order, { signal, drop })
        const state = this.#order?.state
        if (state === 'moved' || state === 'paused') return
        pauseMs = firstPauseMs
      } catch (thrown) {
        const error = toDomainError(thrown)
        if (done() !== before) pauseMs = firstPauseMs
        this.#log.warn({ error, pauseMs }, 'the migration waits')
        await this.#note(error.message)
        await pause(pauseMs, undefined, { signal }).catch(() => undefined)
        pauseMs = Math.min(2 * pauseMs, longestPauseMs)
      }
    }
  }

  #step(order: MigrationOrder, run: Run): Promise<void> {
    if (order.state === 'running') return this.#move(order, run)
    if (order.state === 'finishing') return this.#finish(order, run)
    return this.#rollBack(order, run)
  }

  async #move(order: MigrationOrder, { signal }: Run): Promise<void> {
    const all = await moveAll(this.#movingDesk(signal), order, selectionOf(order))
    if (!all) return
    reached('migrate:moved')
    const faults = await this.trustee.store.countMigrationFaults(order.uuid)
    const note = faults === 0 ? undefined : `${faults} revisions could not be moved`
    const next = order.finishesItself && faults === 0 ? 'finishing' : 'moved'
    await this.#enter(next, { note, cursor: undefined })
    this.#log.info({ migration: order.uuid, faults }, 'everything is moved')
  }

  async #finish(order: MigrationOrder, { signal, drop }: Run): Promise<void> {
    if (await dropFormer(this.#movingDesk(signal), order, drop)) await this.#end('finished')
  }

  async #rollBack(order: MigrationOrder, { signal, drop }: Run): Promise<void> {
    const desk = this.#movingDesk(signal)
    if (!(await swapAllBack(desk))) return
    // What was put during a rotation is as it was meant to be, and stays.
    if (!order.sealedBefore && !(await this.#sealBack(desk, order))) return
    if (await dropFormer(desk, order, drop)) await this.#end('rolled-back')
  }

  async #sealBack(desk: MovingDesk, order: MigrationOrder): Promise<boolean> {
    const { calls, joined } = this.#requireLink()
    const to = await formBefore(calls, order.before, joined)
    return await moveAll(desk, { ...order, to }, putMeanwhile(order, to))
  }

  #movingDesk(signal: AbortSignal): MovingDesk {
    return {
      trustee: this.trustee,
      ways: this.#ways(),
      signal,
      progress: () => this.#requireProgress(),
      onProgress: (progress: MigrationProgress) => {
        this.#progress = progress
      },
    }
  }

  #ways(): MoveWays {
    const { joined, sealer, calls } = this.#requireLink()
    return { passThrough: this.sealing.passThrough, hsm: sealer, calls, canary: joined.canary }
  }

  #requireLink() {
    const link = this.link.current()
    if (link) return link
    throw new DomainError('ERR_UNAVAILABLE', 'the server is not joined to a Key HSM')
  }

  async #end(state: 'finished' | 'rolled-back'): Promise<void> {
    const order = this.#requireOrder()
    await this.directions.publish({ ...finalDirectionOf(order), opensUnsealed: false })
    const now = this.trustee.clock.now()
    const { note: _, ...rest } = this.#requireProgress()
    await this.#save({ ...rest, note: undefined, state, endedAt: now, updatedAt: now })
    await this.#forget()
    this.#log.info({ migration: order.uuid }, `the migration is ${state}`)
  }

  async #enter(state: OpenState, changes: Partial<MigrationProgress>): Promise<void> {
    const order = { ...this.#requireOrder(), state }
    await writeMigrationOrder(this.paths, order)
    this.#order = order
    const updatedAt = this.trustee.clock.now()
    await this.#save({ ...this.#requireProgress(), ...changes, state, updatedAt })
  }

  async #save(progress: MigrationProgress): Promise<void> {
    await this.trustee.store.withTransaction((transaction) => transaction.saveMigration(progress))
    this.#progress = progress
  }

  async #note(note: string): Promise<void> {
    if (!this.#progress) return
    this.#progress = { ...this.#progress, note }
    await this.#save(this.#progress).catch(() => undefined)
  }

  async #forget(): Promise<void> {
    await removeMigrationOrder(this.paths)
    this.#order = undefined
  }

  #direct(): Promise<void> {
    const order = this.#requireOrder()
    const opensUnsealed = opensUnsealedIn(order)
    return this.directions.publish({ ...directionOf(order), opensUnsealed })
  }

  #requireOrder(): MigrationOrder {
    if (this.#order) return this.#order
    throw new DomainError('ERR_NOT_FOUND', 'no migration is under way')
  }

  #requireProgress(): MigrationProgress {
    if (this.#progress) return this.#progress
    throw new DomainError('ERR_NOT_FOUND', 'no migration is under way')
  }
}

/** The uuid of the migration under way. @throws ERR_NOT_FOUND */
export function openUuid(desk: Pick<MigrationDesk, 'order'>): Uuid {
  if (desk.order) return desk.order.uuid
  throw new DomainError('ERR_NOT_FOUND', 'no migration is under way')
}
