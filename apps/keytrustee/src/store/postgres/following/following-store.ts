/** A store over several copies of one database, of which one takes writes: it follows that one without a restart. */
import type { Installation, NodeKeyHsm } from '../../installation.js'
import type { Reach, SharedAuthorities, Store, StoreHealth, Transaction } from '../../store.js'
import { hasCode, type Uuid } from '@keyhsm/core'
import type { Statement } from '../queries.js'
import { defaultTimeouts, type Timeouts } from '../pool.js'
import { PostgresReader } from '../reader.js'
import { readHealth } from '../read-health.js'
import { withTransaction } from '../transaction.js'
import { sharedAuthorities } from '../shared-authorities.js'
import { Follower, type FollowerOptions } from './follower.js'
import type { HostView } from './sighting.js'

export interface FollowingOptions extends Omit<FollowerOptions, 'timeouts' | 'maxConnections'> {
  readonly timeouts?: Partial<Timeouts>
  /** To each copy, for statements outside of transactions, and as many for transactions. Default 8. */
  readonly maxConnections?: number
}

/** Resolves with what can be reached, which may be nothing. @throws ERR_SETTINGS for a damaged timeline file */
export async function openFollowingStore(o: FollowingOptions): Promise<Store> {
  const follower = new Follower({
    ...o,
    timeouts: { ...defaultTimeouts, ...o.timeouts },
    maxConnections: o.maxConnections ?? 8,
  })
  await follower.start()
  return new FollowingStore(follower, o)
}

/** The row stays and says that it was: else the server would make itself a new one with its next beat. */
const forget: Statement = {
  name: 'forget_node',
  text: `update keytrustee.nodes set beat_at = '-infinity' where node = $1 and beat_at > '-infinity'`,
}

const showKeyHsm: Statement = {
  name: 'show_key_hsm',
  text: 'update keytrustee.nodes set key_hsm = $2, key_hsm_healthy = $3 where node = $1',
}
class FollowingStore extends PostgresReader implements Store {
  readonly #follower: Follower
  readonly #o: FollowingOptions
  readonly authorities: SharedAuthorities
  #shownKeyHsm: string | undefined

  constructor(follower: Follower, o: FollowingOptions) {
    super({
      // In an async function: what it throws is a rejection.
      run: async (statement, values) => await follower.reading().queries.run(statement, values),
    })
    this.#follower = follower
    this.#o = o
    this.authorities = sharedAuthorities({
      reading: () => follower.reading().queries,
      writing: () => follower.writing().queries,
    })
  }

  async withTransaction<Result>(
    work: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    const { writers, room } = this.#follower.writing()
    return await withTransaction(writers, work).catch((error: unknown) => {
      room.notice(error)
      throw error
    })
  }

  reach(): Reach {
    const choice = this.#follower.choice()
    return {
      mode: choice.mode,
      generation: this.#follower.generation(choice),
      shared: true,
      elsewhere: choice.mode === 'writer' ? [] : this.#follower.elsewhere(),
    }
  }

  installation(): Installation {
    const { mode, detail } = this.#follower.choice()
    const views = this.#follower.views
    const others = this.#follower.otherNodes()
    const promised = views.length > 1 || others.length > 0
    const synchronous = views.some(({ sighting }) => sighting?.primary && sighting.synchronous)
    return {
      mode,
      detail,
      noLoss: mode === 'writer' && synchronous,
      asksForNoLoss: promised,
      timeline: this.#follower.floor?.timeline,
      own: this.#o.own.node,
      hosts: views.map((view) => this.#describe(view)),
      nodes: this.#follower.nodes(),
    }
  }

  async forgetNode(node: Uuid): Promise<boolean> {
    const { rowCount } = await this.#follower.writing().queries.run(forget, [node])
    if (rowCount > 0) this.#follower.forget(node)
    return rowCount > 0
  }

  async showKeyHsm({ healthy, detail }: NodeKeyHsm): Promise<void> {
    const shown = `${healthy} ${detail}`
    if (shown === this.#shownKeyHsm) return
    const values = [this.#o.own.node, detail, healthy]
    const { rowCount } = await this.#follower
      .writing()
      .queries.run(showKeyHsm, values)
      .catch((error: unknown) => {
        // The schema of the release before has no place for it: shown from the next start on.
        if (hasCode(error, 'ERR_CONFLICT')) return { rowCount: 1 }
        throw error
      })
    if (rowCount > 0) this.#shownKeyHsm = shown
  }

  async probe(): Promise<StoreHealth> {
    const { mode, detail, noLoss, asksForNoLoss } = this.installation()
    if (mode !== 'writer') return { state: 'unavailable', detail }
    try {
      const found = await readHealth(this.queries, 'external')
      if (found.state !== 'ready') return found
      const fault = await this.#follower.writing().room.findFault()
      if (fault !== undefined) return { state: 'unavailable', detail: fault }
      if (noLoss) return { state: 'ready', detail: `${found.detail}, ${detail}, synchronous` }
      const alone = 'no standby confirms commits (synchronous_standby_names is empty)'
      return asksForNoLoss
        ? { state: 'unavailable', detail: `${alone}: losing ${detail} loses deposits` }
        : { state: 'ready', detail: `${found.detail}, one copy` }
    } catch (error) {
      const words = error instanceof Error ? error.message : 'the database is not available'
      return { state: 'unavailable', detail: words }
    }
  }

  async close(): Promise<void> {
    await this.#follower.stop()
  }

  #describe(view: HostView): Installation['hosts'][number] {
    const { place, sighting, fault } = view
    const ageMs = this.#follower.ageMs(view)
    return {
      place,
      role: sighting === undefined ? 'unreachable' : sighting.primary ? 'primary' : 'standby',
      ...(sighting?.timeline === undefined ? {} : { timeline: sighting.timeline }),
      ...(ageMs === undefined ? {} : { ageMs: Math.round(ageMs) }),
      ...(sighting?.primary ? { synchronous: sighting.synchronous } : {}),
      ...(fault === undefined ? {} : { fault }),
    }
  }
}
