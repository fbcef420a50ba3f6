/** The authorities of clients of a running server: changed by order, and as the other servers of the installation changed them. */
import { type Clock, DomainError, type Fingerprint, hasCode, type Uuid } from '@keyhsm/core'
import type { Audit, Log } from '@keyhsm/service'
import { audited } from '../audited.js'
import { forgetAuthority, renewAuthority } from '../certificates/authorities.js'
import {
  type AuthorityDesk,
  followAuthorities,
  forgetSharedAuthority,
  renewSharedAuthority,
} from '../certificates/share-authorities.js'
import type { Grants } from '../grants.js'
import type { Paths } from '../paths.js'
import type { Store } from '../store/store.js'

/** How long servers that are up are waited for: each looks once a second. */
const patienceMs = 30_000

interface Order {
  readonly requestId: Uuid
  readonly actor: string
}

export interface ClientAuthoritiesOptions {
  readonly paths: Paths
  readonly store: Pick<Store, 'authorities' | 'installation'>
  readonly grants: Pick<Grants, 'mac'>
  readonly audit: Pick<Audit, 'append'>
  readonly clock: Clock
  readonly log: Log
  /** Admits and signs by what the files say now. */
  use(): Promise<void>
}

/** One change or look at a time. */
export class ClientAuthorities {
  readonly #o: ClientAuthoritiesOptions
  readonly #desk: AuthorityDesk | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #told = false

  constructor(o: ClientAuthoritiesOptions) {
    const { paths, grants, store, clock } = o
    this.#o = o
    this.#desk = store.authorities && {
      paths,
      grants,
      shared: store.authorities,
      installation: () => requireInstallation(store),
      now: () => clock.now(),
      use: () => o.use(),
    }
  }

  /** Takes over what another server changed. What the database shows and no server made is told once. */
  async follow(): Promise<void> {
    const desk = this.#desk
    if (!desk) return
    try {
      await this.#inTurn(() => followAuthorities(desk))
      this.#told = false
    } catch (error) {
      if (!hasCode(error, 'ERR_INTEGRITY')) throw error
      if (!this.#told) this.#o.log.error({ error }, 'the authorities of clients stay as they are')
      this.#told = true
    }
  }

  /** @throws as `renewSharedAuthority`, where servers share a database */
  renew(order: Order): Promise<Fingerprint> {
    const operation = { ...order, operation: 'renew-authority', subjects: [{}] }
    return this.#inTurn(() =>
      audited(this.#o.audit, operation, 'done', async () => {
        if (this.#desk) return renewSharedAuthority(this.#desk, performance.now() + patienceMs)
        const fingerprint = await renewAuthority(this.#o.paths, this.#o.clock.now())
        await this.#o.use()
        return fingerprint
      }),
    )
  }

  /** @throws ERR_NOT_FOUND */
  forget(order: Order, fingerprint: Fingerprint): Promise<void> {
    const operation = { ...order, operation: 'forget-authority', subjects: [{ fingerprint }] }
    return this.#inTurn(() =>
      audited(this.#o.audit, operation, 'done', async () => {
        if (this.#desk) return forgetSharedAuthority(this.#desk, fingerprint)
        await forgetAuthority(this.#o.paths, fingerprint)
        await this.#o.use()
      }),
    )
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const mine = this.#turn.then(work, work)
    this.#turn = mine.catch(() => undefined)
    return mine
  }
}

function requireInstallation(store: Pick<Store, 'installation'>) {
  const seen = store.installation?.()
  if (seen) return seen
  throw new DomainError('ERR_INTERNAL', 'a shared database without its servers')
}
