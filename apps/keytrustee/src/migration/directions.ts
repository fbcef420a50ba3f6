/**
 * Where new deposits go while others are moved, and afterwards. The join file says it, so that a restart changes nothing; the
 * database says it to the other servers of the installation, under a MAC, and every put holds it until it is committed.
 * @see docs/decisions/0131-servers-follow-a-direction.md
 */
import { DomainError } from '@keyhsm/core'
import { type Grants, macText, sameText } from '../grants.js'
import type { Paths } from '../paths.js'
import { type Joined, writeJoinFile } from '../sealing/join-file.js'
import { continueLink } from '../sealing/key-hsm-link.js'
import { notJoined, type SealingState } from '../sealing/sealing-state.js'
import type { LinkInUse } from '../service/link-in-use.js'
import type { DirectionRow, Store } from '../store/store.js'
import type { Before } from './migration-order.js'

export interface DirectionsOptions {
  readonly store: Store
  readonly grants: Pick<Grants, 'mac'>
  readonly sealing: SealingState
  readonly paths: Paths
  readonly link: LinkInUse
  readonly now: () => Date
}

/** A direction, and whether deposits that are not sealed are opened besides. */
export interface Direction extends Before {
  readonly opensUnsealed: boolean
}

/** What a put must know of it. */
export interface FollowedDirection {
  /** The one that new deposits follow here. */
  readonly own: number | undefined
  /** Does as the database says, if it says something. @throws ERR_NOT_JOINED; ERR_UNAVAILABLE for a row that no server of the installation wrote */
  follow(): Promise<void>
}

export class Directions implements FollowedDirection {
  readonly #o: DirectionsOptions
  /** One change after the other. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(o: DirectionsOptions) {
    this.#o = o
  }

  get own(): number | undefined {
    return this.#o.link.current()?.joined.directed
  }

  /** Directs this server and all others, now and for later starts. Puts sealed otherwise cannot be committed any more. */
  publish(direction: Direction): Promise<void> {
    return this.#inTurn(async () => {
      const link = this.#o.link.current()
      if (!link) return
      const found = await this.#o.store.findDirection()
      const text = JSON.stringify(direction)
      const same = found?.direction === text && found.directed === link.joined.directed
      if (!same) await this.#save(link.joined, direction, found)
      else await this.#apply(found.directed, direction)
    })
  }

  follow(): Promise<void> {
    return this.#inTurn(async () => {
      const found = await this.#o.store.findDirection()
      if (!found) return
      const joined = this.#o.link.current()?.joined
      if (!joined) throw notJoined()
      if (!sameText(found.mac, this.#mac(found)))
        throw new DomainError(
          'ERR_UNAVAILABLE',
          'where new deposits go was not written by a server of this installation',
        )
      // Put back from a backup, or by somebody: what is followed here is newer.
      if (joined.directed !== undefined && found.directed < joined.directed)
        return await this.#save(joined, this.#present(joined), found)
      await this.#apply(found.directed, JSON.parse(found.direction) as Direction)
    })
  }

  async #save(joined: Joined, direction: Direction, found?: DirectionRow): Promise<void> {
    const newest = Math.max(found?.directed ?? 0, joined.directed ?? 0) + 1
    const directed = Math.max(newest, this.#o.now().getTime())
    const unsigned = { directed, direction: JSON.stringify(direction) }
    const { url, realm, joinedAt } = joined
    const { canary, domain } = direction
    await this.#o.store.withTransaction(async (transaction) => {
      await transaction.saveJoin({ url, realm, canary, domain, joinedAt })
      await transaction.saveDirection({ ...unsigned, mac: this.#mac(unsigned) })
    })
    await this.#apply(directed, direction)
  }

  async #apply(directed: number, { opensUnsealed, ...direction }: Direction): Promise<void> {
    const { link, paths, sealing } = this.#o
    const before = link.current()
    if (!before) throw notJoined()
    const joined = { ...withDirection(before.joined, direction), directed }
    if (JSON.stringify(joined) !== JSON.stringify(before.joined)) {
      await writeJoinFile(paths, joined)
      const next = continueLink(before, joined)
      link.use(next)
      sealing.join(next.sealer)
    }
    const puts = direction.passThrough === true
    sealing.ruleUnsealed({ puts, opens: puts || opensUnsealed })
  }

  #present(joined: Joined): Direction {
    return { ...presentDirection(joined), opensUnsealed: this.#o.sealing.opensUnsealed }
  }

  #mac({ directed, direction }: Omit<DirectionRow, 'mac'>): string {
    return macText(this.#o.grants.mac('direction', [directed, direction]))
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined)
    return done
  }
}

/** How new deposits are kept now. */
export function presentDirection({
  canary,
  domain,
  target,
  passThrough,
}: Pick<Joined, 'canary' | 'domain' | 'target' | 'passThrough'>): Before {
  return {
    canary,
    domain,
    ...(target === undefined ? {} : { target }),
    ...(passThrough ? { passThrough } : {}),
  }
}

function withDirection(joined: Joined, direction: Before): Joined {
  const { target: _target, passThrough: _passThrough, directed: _directed, ...rest } = joined
  return { ...rest, ...direction }
}
