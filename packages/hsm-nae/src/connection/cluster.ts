/**
 * The nodes of a cluster as one: chooses the node for a request, turns to another when one fails, and keeps what belongs to
 * a key that was just written on the node that wrote it, because the others learn of it only later.
 */
import { DomainError, hasCode } from '@keyhsm/core'
import { LinkError, linkToError, NaeRefusal } from '../failure.js'
import type { NaeLog, NaeNode, NaeTimers } from '../options.js'
import { nameOf } from './connect-socket.js'
import type { NaeLink } from './nae-link.js'
import { NodePool } from './node-pool.js'

export interface ClusterOptions {
  readonly nodes: readonly NaeNode[]
  readonly timers: NaeTimers
  readonly maxLinks: number
  readonly log: NaeLog
  /** Connects and logs in. */
  readonly open: (node: NaeNode) => Promise<NaeLink>
}

/** One node with its connections. */
export interface Member {
  readonly node: NaeNode
  readonly pool: NodePool
  /** When it last failed; undefined since it last answered. */
  failedAt: number | undefined
  /** Why, in one line. */
  trouble: string
}

export interface Job {
  /** Name of the key it is about. */
  readonly key?: string
  /**
   * `write` is sent once, to the first node of the settings that can be reached. `read` goes to any in turn, and is sent
   * again when a connection broke. `read-first` is a read in the order of writes, which sees them soonest.
   */
  readonly kind: 'read' | 'read-first' | 'write'
  /** Only to this node. */
  readonly at?: Member
}

/** What came back and from where. */
export interface Done<Result> {
  readonly result: Result
  readonly member: Member
}

/** What is known of a key that was written a short time ago. */
export interface Affinity {
  /** The node that surely knows the latest. */
  readonly member: Member
  /** True for a key that is being destroyed: what another node still shows of it must not be used. */
  readonly only: boolean
}

const maxAffinities = 10_000

/** All nodes of one backend. */
export class Cluster {
  readonly members: readonly Member[]
  readonly #options: ClusterOptions
  readonly #affinities = new Map<string, Affinity & { readonly until: number }>()
  #turn = 0
  #closed = false

  constructor(options: ClusterOptions) {
    this.#options = options
    const { maxLinks, timers } = options
    this.members = options.nodes.map((node) => ({
      node,
      failedAt: undefined,
      trouble: '',
      pool: new NodePool({ open: () => options.open(node), maxLinks, idleMs: timers.idleMs }),
    }))
  }

  /** Open connections of all nodes. */
  get links(): number {
    return this.members.reduce((sum, { pool }) => sum + pool.size, 0)
  }

  /**
   * Runs `use` on a connection to a suitable node.
   * @throws what `use` throws of the appliance's answer (NaeRefusal); ERR_HSM_LOGIN; ERR_HSM_UNAVAILABLE when no node could
   * be asked, with the LinkError as its cause.
   */
  async run<Result>(job: Job, use: (link: NaeLink) => Promise<Result>): Promise<Done<Result>> {
    let last: unknown
    for (const member of this.#candidates(job)) {
      try {
        const result = await this.#runAt(member, job, use)
        if (member.failedAt !== undefined) this.#recovered(member)
        return { result, member }
      } catch (error) {
        if (!(error instanceof LinkError)) throw error
        last = error
        this.#failed(member, error)
        if (this.#closed || (error.sent && job.kind === 'write')) break
      }
    }
    if (last instanceof LinkError) throw linkToError(last)
    throw new DomainError('ERR_HSM_UNAVAILABLE', 'the HSM cannot be asked now')
  }

  /** Every request from now on goes over a connection made anew, and no node is passed over for what it did before. */
  renew(): void {
    for (const member of this.members) {
      member.failedAt = undefined
      member.trouble = ''
      member.pool.renew()
    }
  }

  /**
   * Remembers that `key` was `made` or `destroyed` by `member`. Until the others know, a made key is asked of that node first,
   * and a destroyed one of no other.
   */
  pin(key: string, member: Member, what: 'made' | 'destroyed'): void {
    if (this.members.length === 1) return
    this.#affinities.delete(key)
    const until = performance.now() + this.#options.timers.affinityMs
    this.#affinities.set(key, { member, only: what === 'destroyed', until })
    const [oldest] = this.#affinities.keys()
    if (this.#affinities.size > maxAffinities && oldest !== undefined) {
      this.#affinities.delete(oldest)
    }
  }

  /** Undefined when the key was not written lately. */
  affinityOf(key: string): Affinity | undefined {
    const found = this.#affinities.get(key)
    if (found && found.until > performance.now()) return found
    this.#affinities.delete(key)
    return undefined
  }

  /** Nodes in the order in which they are written to: that of the settings, those that failed lately last. */
  writeOrder(): Member[] {
    const now = performance.now()
    const isAside = ({ failedAt }: Member) =>
      failedAt !== undefined && now - failedAt < this.#options.timers.asideMs
    const well = this.members.filter((member) => !isAside(member))
    const aside = this.members.filter(isAside)
    return [...well, ...aside.sort((a, b) => (a.failedAt ?? 0) - (b.failedAt ?? 0))]
  }

  close(): void {
    this.#closed = true
    for (const { pool } of this.members) pool.close()
  }

  #candidates({ key, kind, at }: Job): readonly Member[] {
    if (at) return [at]
    const bound = key === undefined ? undefined : this.affinityOf(key)
    const order = this.writeOrder()
    if (bound) {
      const others = order.filter((member) => member !== bound.member)
      return bound.only ? [bound.member] : [bound.member, ...others]
    }
    if (kind !== 'read') return order
    const well = order.filter(({ failedAt }) => failedAt === undefined)
    if (well.length < 2) return order
    this.#turn = (this.#turn + 1) % well.length
    const turned = [...well.slice(this.#turn), ...well.slice(0, this.#turn)]
    return [...turned, ...order.filter((member) => !well.includes(member))]
  }

  async #runAt<Result>(
    member: Member,
    job: Job,
    use: (link: NaeLink) => Promise<Result>,
  ): Promise<Result> {
    const once = () =>
      member.pool.lend(async ({ link, reused }) => {
        try {
          return await use(link)
        } catch (error) {
          if (isSessionLost(error)) link.close()
          throw new Tried(error, reused)
        }
      })
    try {
      return await once()
    } catch (error) {
      if (!(error instanceof Tried)) throw error
      if (!mayRepeat(error, job)) throw error.reason
    }
    // A kept connection had died, or the login on it had: the others of this node probably have too.
    member.pool.dropIdle()
    return await once().catch((error: unknown) => {
      throw error instanceof Tried ? error.reason : error
    })
  }

  #failed(member: Member, error: LinkError): void {
    if (this.#closed) return
    member.failedAt = performance.now()
    if (member.trouble === error.message) return
    member.trouble = error.message
    const facts = { node: nameOf(member.node), fault: error.fault }
    this.#options.log.warn(facts, `HSM node cannot be asked: ${error.message}`)
  }

  #recovered(member: Member): void {
    member.failedAt = undefined
    member.trouble = ''
    this.#options.log.info({ node: nameOf(member.node) }, 'HSM node answers again')
  }
}

/** A failure of `use`, told apart from one of opening the connection. */
class Tried extends Error {
  readonly reason: unknown
  readonly reused: boolean

  constructor(reason: unknown, reused: boolean) {
    super('tried')
    this.reason = reason
    this.reused = reused
  }
}

function isSessionLost(error: unknown): boolean {
  return error instanceof NaeRefusal && error.means === 'session-lost'
}

/** A refusal for want of a login was not carried out, so even a write may be sent again. */
function mayRepeat({ reason, reused }: Tried, job: Job): boolean {
  if (isSessionLost(reason)) return true
  if (!(reason instanceof LinkError) || !reused || reason.fault === 'no-answer') return false
  return job.kind !== 'write' || !reason.sent
}

/** True for the error that a write gets when the appliance may have carried it out. */
export function mayHaveHappened(error: unknown): boolean {
  if (!hasCode(error, 'ERR_HSM_UNAVAILABLE')) return false
  return error.cause instanceof LinkError && error.cause.sent
}
