/** Watches every copy of the database and says, at each use, which one serves and for what. */
import { DomainError, type Uuid } from '@keyhsm/core'
import { readOnlyHere } from '../../store.js'
import type { PostgresAddress } from '../address.js'
import type { Timeouts } from '../pool.js'
import { ageOf, type Choice, choose, refusalOf } from './choose.js'
import { HostWatch, type Lines } from './host-watch.js'
import { readSeenTimeline, writeSeenTimeline } from './seen-timeline.js'
import type { HostView, NodeIdentity, NodeSeen, SeenTimeline, Sighting } from './sighting.js'

export interface FollowerOptions {
  readonly addresses: readonly PostgresAddress[]
  readonly own: NodeIdentity
  /** Where the highest timeline seen is kept. */
  readonly timelineFile: string
  readonly maxStalenessMs: number
  readonly timeouts: Timeouts
  readonly maxConnections: number
  /** Told of each change of what this server can do. */
  onChange(choice: Choice): void
}

/** Until a server that starts has looked at each copy, and waited for a primary to be confirmed. */
const firstLookMs = 8_000

export class Follower {
  readonly #o: FollowerOptions
  readonly #hosts: readonly HostWatch[]
  #floor: SeenTimeline | undefined
  #saving: Promise<void> = Promise.resolve()
  #said: string | undefined
  readonly #forgotten = new Set<Uuid>()
  #readsElsewhere = 0
  #settled: () => void = () => undefined

  constructor(o: FollowerOptions) {
    this.#o = o
    const { own, timeouts, maxConnections } = o
    this.#hosts = o.addresses.map(
      (address) =>
        new HostWatch({
          address,
          own,
          timeouts,
          maxConnections,
          accept: (seen) => this.#accept(seen),
          onSeen: () => this.#tell(),
        }),
    )
  }

  /** Resolves when a primary is followed, or after a while with what there is. @throws ERR_SETTINGS */
  async start(): Promise<void> {
    this.#floor = await readSeenTimeline(this.#o.timelineFile)
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve
    })
    for (const host of this.#hosts) host.start()
    const timer = setTimeout(() => this.#settled(), firstLookMs)
    await settled
    clearTimeout(timer)
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosts.map((host) => host.stop()))
    await this.#saving
  }

  get views(): readonly HostView[] {
    return this.#hosts.map(({ view }) => view)
  }

  get floor(): SeenTimeline | undefined {
    return this.#floor
  }

  choice(): Choice {
    return choose(this.views, {
      now: performance.now(),
      floor: this.#floor,
      maxStalenessMs: this.#o.maxStalenessMs,
    })
  }

  /**
   * Tells one time of one connection to one copy from every other. The lease may lapse and come back between two looks: what was
   * read meanwhile from whatever copy makes it another time.
   */
  generation({ host }: Choice): string {
    const epoch = host === undefined ? 'none' : this.#hosts[host]?.epoch
    return `${host}.${epoch}.${this.#readsElsewhere}`
  }

  /** Age in ms of what a copy shows; undefined when it cannot be told. */
  ageMs({ sighting }: HostView): number | undefined {
    const ageMs = sighting ? ageOf(sighting, performance.now()) : Infinity
    return Number.isFinite(ageMs) ? ageMs : undefined
  }

  /** For statements that change nothing. @throws ERR_STORE_UNAVAILABLE */
  reading(): Lines {
    const choice = this.choice()
    if (choice.mode !== 'writer') this.#readsElsewhere += 1
    const lines = this.#linesOf(choice)
    if (!lines) throw new DomainError('ERR_STORE_UNAVAILABLE', 'no database can be asked now')
    return lines
  }

  /** For transactions. @throws ERR_STORE_UNAVAILABLE naming the servers that take writes */
  writing(): Lines {
    const choice = this.choice()
    const lines = choice.mode === 'writer' ? this.#linesOf(choice) : undefined
    if (!lines) throw readOnlyHere(this.elsewhere())
    return lines
  }

  /** URLs of the servers that take writes now. */
  elsewhere(): readonly string[] {
    return this.otherNodes().map(({ url }) => url)
  }

  /** The servers seen to write of late, but for this one. */
  otherNodes(): readonly NodeSeen[] {
    return this.nodes().filter(
      ({ node, ageMs }) => node !== this.#o.own.node && ageMs < this.#o.maxStalenessMs,
    )
  }

  /** A server that was taken out now; copies were read a moment before. */
  forget(node: Uuid): void {
    this.#forgotten.add(node)
  }

  /** All that ever wrote, as the copy in use shows them, or the one seen last. */
  nodes(): readonly NodeSeen[] {
    const { host } = this.choice()
    const seen =
      host === undefined
        ? this.views.flatMap(({ sighting }) => sighting ?? [])[0]
        : this.#hosts[host]?.view.sighting
    if (!seen) return []
    const sinceMs = performance.now() - seen.seenAt
    return seen.nodes
      .filter(({ node }) => !this.#forgotten.has(node))
      .map((row) => ({ ...row, ageMs: Math.max(0, row.ageMs) + sinceMs }))
  }

  #linesOf({ host }: Choice): Lines | undefined {
    return host === undefined ? undefined : this.#hosts[host]?.lines
  }

  async #accept(seen: Sighting): Promise<boolean> {
    const { system, timeline } = seen
    if (refusalOf(seen, this.#floor) !== undefined) return false
    if (timeline === undefined) return true
    if (this.#floor && timeline <= this.#floor.timeline) return true
    const floor = { system, timeline }
    this.#floor = floor
    this.#saving = this.#saving.then(() => writeSeenTimeline(this.#o.timelineFile, floor))
    await this.#saving
    return true
  }

  #tell(): void {
    const choice = this.choice()
    const views = this.views
    const all = views.every(({ sighting, fault }) => sighting ?? fault)
    const waits = views.some(
      ({ sighting }) => sighting?.primary && refusalOf(sighting, this.#floor) === undefined,
    )
    if (choice.mode === 'writer' || (all && !waits)) this.#settled()
    const said = `${choice.mode} ${choice.host}`
    if (said === this.#said) return
    this.#said = said
    this.#o.onChange(choice)
  }
}
