/**
 * HSM keys made ahead for scope `deposit`, because making an RSA pair takes longer than everything else of a put. A spare
 * is named `pool-…`; claiming it gives it the deposit's own label in the device, before anything is wrapped under it. So the
 * name tells, after a crash too, which keys certainly serve nobody.
 *
 * A spare is claimed by the process that made it and by no other: another node, or this one started again, cannot know that
 * its maker no longer will. What nobody can claim any more is destroyed by its age.
 * @see docs/decisions/0040-key-pool.md
 */
import { type Clock, DomainError, hasCode, type HsmKeyId, type Realm } from '@keyhsm/core'
import { type CallOptions, canRename, type Hsm, type HsmKey, type WrappingKind } from '@keyhsm/hsm'
import type { Activity } from './activity.js'
import type { Capacity } from './capacity.js'
import { createCountedKey, discardKey } from './create-proved-key.js'
import type { KeyIds } from './key-ids.js'
import { formatPoolLabel, parseLabel } from './labels.js'

export interface KeyPoolOptions {
  readonly hsm: Hsm
  readonly keyIds: KeyIds
  readonly capacity: Capacity
  readonly clock: Clock
  readonly activity: Activity
  readonly kind: WrappingKind
  /** Spares kept for each realm; 0: none. */
  readonly size: number
}

export interface KeyPoolState {
  readonly ready: number
  /** Why no keys are made ahead although the settings ask for it. */
  readonly trouble?: string
}

const dayMs = 86400e3
/** A spare is not claimed after this age… */
const claimableMs = 7 * dayMs
/** …and destroyed by whoever meets it after this one: dates of labels are whole days, clocks differ. */
const staleMs = 10 * dayMs
/**
 * A device of its own makes keys beside other work: it is not waited for long. A library in this machine's processors lets nobody
 * open while it makes one (observed with SoftHSM: an open waits for the whole of it), so that a pause between two requests is
 * not enough.
 */
const quietOf = {
  device: { forMs: 50, atMostMs: 1000 },
  library: { forMs: 2000, atMostMs: Number.POSITIVE_INFINITY },
} as const
const closeLimitMs = 3000

interface Spare {
  readonly key: HsmKey
  readonly madeAt: number
}

export class KeyPool {
  readonly #options: KeyPoolOptions
  readonly #spares = new Map<Realm, Spare[]>()
  readonly #closing = new AbortController()
  #filling: Promise<void> | undefined
  #trouble: string | undefined

  constructor(options: KeyPoolOptions) {
    this.#options = options
    if (options.size > 0 && !canRename(options.hsm)) {
      this.#trouble = 'the HSM does not rename keys, so none are made ahead'
    }
  }

  state(): KeyPoolState {
    const ready = [...this.#spares.values()].reduce((sum, spares) => sum + spares.length, 0)
    return this.#trouble === undefined ? { ready } : { ready, trouble: this.#trouble }
  }

  /**
   * Claims a spare of `realm` under its new label and has another made. Undefined when there is none: make one then.
   * @throws what renaming throws; then the spare is given up, never claimed again.
   */
  async take(realm: Realm, label: string, options: CallOptions = {}): Promise<HsmKey | undefined> {
    if (this.#options.size === 0 || this.#trouble !== undefined) return undefined
    const spare = this.#shift(realm)
    this.#refill()
    if (!spare) return undefined
    const claimed = await this.#claim(spare, label, options)
    return claimed === 'gone' ? await this.take(realm, label, options) : claimed
  }

  /** A key that was destroyed by order is nobody's any more. */
  forget(id: HsmKeyId): void {
    for (const [realm, spares] of this.#spares) {
      const kept = spares.filter(({ key }) => key.id !== id)
      this.#spares.set(realm, kept)
    }
  }

  /** Destroys spares of `realms` in a listing that nobody will claim: their maker gave them up, or ended. */
  async removeStale(listed: readonly HsmKey[], realms: readonly Realm[]): Promise<number> {
    const { keyIds, clock } = this.#options
    const now = clock.now().getTime()
    const stale = listed.filter(({ id, label }) => {
      const parsed = parseLabel(label)
      if (parsed?.form !== 'pool' || now - Date.parse(parsed.createdOn) < staleMs) return false
      return realms.some((realm) => keyIds.belongs(id, { purpose: 'deposit', realm }))
    })
    for (const key of stale) {
      this.forget(key.id)
      await discardKey(this.#options, key)
    }
    return stale.length
  }

  /** Ends refilling and destroys what was made ahead, as far as time allows. Afterwards nothing can be taken. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#filling
    const endsAt = performance.now() + closeLimitMs
    const left = [...this.#spares.values()].flat()
    this.#spares.clear()
    for (const { key } of left) {
      if (performance.now() > endsAt) return
      await discardKey(this.#options, key)
    }
  }

  #shift(realm: Realm): Spare | undefined {
    const spares = this.#spares.get(realm) ?? []
    this.#spares.set(realm, spares)
    const oldest = this.#options.clock.now().getTime() - claimableMs
    for (;;) {
      const spare = spares.shift()
      if (!spare || spare.madeAt >= oldest) return spare
      void discardKey(this.#options, spare.key)
    }
  }

  async #claim(
    { key }: Spare,
    label: string,
    options: CallOptions,
  ): Promise<HsmKey | 'gone' | undefined> {
    const { hsm, capacity } = this.#options
    if (!canRename(hsm)) return undefined
    try {
      return await hsm.renameKey(key.id, label, options)
    } catch (error) {
      if (hasCode(error, 'ERR_NOT_FOUND')) {
        capacity.release()
        return 'gone'
      }
      await discardKey(this.#options, key)
      if (!isRefusal(error)) throw error
      this.#trouble = 'the HSM refused to rename a key, so none are made ahead'
      return undefined
    }
  }

  #refill(): void {
    if (this.#filling || this.#closing.signal.aborted) return
    this.#filling = this.#fill().finally(() => {
      this.#filling = undefined
    })
  }

  async #fill(): Promise<void> {
    const { capacity, hsm, activity, size } = this.#options
    const { signal } = this.#closing
    const quiet = quietOf[hsm.capabilities.hardware ? 'device' : 'library']
    for (;;) {
      const found = [...this.#spares].find(([, spares]) => spares.length < size)
      // The last fifth of a partition is for deposits that are there.
      if (!found || capacity.state().level !== 'ok') return
      await activity.quiet({ ...quiet, signal })
      if (signal.aborted || !(await this.#makeOne(...found))) return
    }
  }

  /** False when the device does not make one now; the next {@link take} tries again. */
  async #makeOne(realm: Realm, spares: Spare[]): Promise<boolean> {
    const { keyIds, kind, clock } = this.#options
    const now = clock.now()
    const spec = {
      id: keyIds.issue({ purpose: 'deposit', realm }),
      label: formatPoolLabel(now),
      kind,
      use: 'wrap',
      renamable: true,
    } as const
    try {
      const key = await createCountedKey(this.#options, spec, { background: true })
      spares.push({ key, madeAt: now.getTime() })
      return true
    } catch {
      return false
    }
  }
}

function isRefusal(error: unknown): boolean {
  return (
    error instanceof DomainError &&
    (error.code === 'ERR_HSM_REFUSED' || error.code === 'ERR_HSM_NOT_SUPPORTED')
  )
}
