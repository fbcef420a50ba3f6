/** Watches one copy of the database over a connection of its own, and lends connections to it while it is there. */
import { setTimeout as pause } from 'node:timers/promises'
import { toDomainError } from '@keyhsm/core'
import pg from 'pg'
import { describeAddress, type PostgresAddress } from '../address.js'
import { checkSettings } from '../check-settings.js'
import { DiskRoom } from '../disk-room.js'
import { cutClient, cutPool, makePool, plainConfig, queriesOn, type Timeouts } from '../pool.js'
import type { Queries } from '../queries.js'
import { translate } from '../sqlstate.js'
import { beat, lookAt } from './beat.js'
import type { HostView, NodeIdentity, Sighting } from './sighting.js'

const everyMs = 1_000
const connectMs = 2_000

export interface WatchOptions {
  readonly address: PostgresAddress
  readonly own: NodeIdentity
  readonly timeouts: Timeouts
  readonly maxConnections: number
  /** Whether this may be the database; remembers its timeline durably. Asked before anything is written. */
  accept(seen: Sighting): Promise<boolean>
  /** Called after each look. */
  onSeen(): void
}

/** Connections to one copy, for as long as it is the same process in the same role. */
export interface Lines {
  readonly queries: Queries
  readonly writers: pg.Pool
  readonly room: DiskRoom
}

export class HostWatch {
  readonly #o: WatchOptions
  readonly #place: string
  readonly #stop = new AbortController()
  #client: pg.Client | undefined
  #sighting: Sighting | undefined
  #fault: string | undefined
  #lines: (Lines & { readonly readers: pg.Pool }) | undefined
  #running: Promise<void> = Promise.resolve()
  #epoch = 0
  #beater: pg.Client | undefined
  #beating: Promise<void> | undefined

  constructor(o: WatchOptions) {
    this.#o = o
    this.#place = describeAddress(o.address)
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#forget(undefined)
    await Promise.all([this.#running, this.#beating])
    this.#forget(undefined)
  }

  get view(): HostView {
    return { place: this.#place, sighting: this.#sighting, fault: this.#fault }
  }

  /** Another for each connection: what was true over the one before says nothing over this one. */
  get epoch(): number {
    return this.#epoch
  }

  /** Undefined while the copy is not seen. */
  get lines(): Lines | undefined {
    return this.#sighting && this.#lines
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#round().catch((error: unknown) => this.#forget(error))
      this.#o.onSeen()
      await pause(everyMs, undefined, { signal }).catch(() => undefined)
    }
  }

  async #round(): Promise<void> {
    const client = this.#client ?? (await this.#connect())
    const seenAt = performance.now()
    const seen = await lookAt(client, this.#o.own.node, seenAt)
    this.#see(client, keepConfirmed(this.#sighting, seen))
    const accepted = await this.#o.accept(seen)
    if (accepted && seen.primary && seen.timeline !== undefined) this.#beat(client, seen.timeline)
  }

  /** Beats beside the looks: a commit waits for its standby as long as that is away. One at a time. */
  #beat(client: pg.Client, timeline: number): void {
    if (this.#beating) return
    const began = performance.now()
    const once = async () => {
      const beater = this.#beater ?? (await this.#connectBeater())
      const confirmed = await beat(beater, timeline, this.#o.own)
      const seen = this.#sighting
      if (!confirmed || !seen || seen.timeline !== timeline) return
      const heldUntil = performance.now() + confirmed.holdMs
      this.#see(client, { ...seen, confirmedAt: began, heldUntil })
      this.#o.onSeen()
    }
    this.#beating = once()
      .catch(() => this.#endBeater())
      .finally(() => {
        this.#beating = undefined
      })
  }

  async #connectBeater(): Promise<pg.Client> {
    const { address, timeouts } = this.#o
    const beater = new pg.Client(plainConfig(address, { ...timeouts, connectMs }))
    beater.on('error', () => undefined)
    this.#beater = beater
    await beater.connect()
    return beater
  }

  #endBeater(): void {
    const beater = this.#beater
    this.#beater = undefined
    if (beater) cutClient(beater)
  }

  /** Nothing is seen over a connection that was lost meanwhile. */
  #see(client: pg.Client, seen: Sighting): void {
    if (this.#client !== client) return
    this.#sighting = seen
    this.#fault = undefined
  }

  async #connect(): Promise<pg.Client> {
    const { address, timeouts, maxConnections } = this.#o
    const session = await checkSettings(address, { ...timeouts, connectMs }, 'external')
    const config = plainConfig(address, { ...timeouts, connectMs })
    const client = new pg.Client(config)
    client.on('error', (error) => this.#lose(client, error))
    client.on('end', () => this.#lose(client, new Error('the connection was closed')))
    await client.connect()
    if (this.#stop.signal.aborted) {
      cutClient(client)
      throw new Error('stopped')
    }
    this.#cut()
    const makeOne = () => makePool({ address, session, timeouts, maxConnections })
    const [readers, writers] = [makeOne(), makeOne()]
    this.#lines = { readers, writers, queries: queriesOn(readers), room: new DiskRoom(writers) }
    this.#client = client
    this.#epoch += 1
    return client
  }

  #lose(client: pg.Client, error: unknown): void {
    if (this.#client === client) this.#forget(error)
  }

  /** What was seen is void, and what is under way to the copy ends now: nobody waits for a host that is gone. */
  #forget(error: unknown): void {
    const client = this.#client
    this.#client = undefined
    this.#sighting = undefined
    if (error !== undefined) this.#fault = wordsOf(error)
    this.#cut()
    this.#endBeater()
    if (client) cutClient(client)
  }

  #cut(): void {
    const lines = this.#lines
    this.#lines = undefined
    for (const pool of lines ? [lines.readers, lines.writers] : []) cutPool(pool)
  }
}

/** A beat stays confirmed while the same primary is seen over the same connection. */
function keepConfirmed(before: Sighting | undefined, seen: Sighting): Sighting {
  if (!before || before.timeline !== seen.timeline || !seen.primary) return seen
  const { confirmedAt, heldUntil } = before
  if (confirmedAt === undefined || heldUntil === undefined) return seen
  return { ...seen, confirmedAt, heldUntil }
}

function wordsOf(error: unknown): string {
  return toDomainError(translate(error)).message
}
