/**
 * The current keys of the shared scopes. The device is the only record: the current key of an organisation or a realm is
 * the one with the highest generation in its label whose id proves its owner, ties by lowest id, so that all Key HSMs
 * of a partition agree at their next recheck. Old keys stay in the device and open what was sealed under them.
 *
 * Nothing is searched on a request: {@link KeyRing.refresh} takes a listing at start and at each recheck.
 */
import { type Clock, formatUtcDate, type HsmKeyId } from '@keyhsm/core'
import type { CallOptions, Hsm, HsmKey, WrappingKind } from '@keyhsm/hsm'
import type { Capacity } from './capacity.js'
import { createProvedKey } from './create-proved-key.js'
import type { KeyIds } from './key-ids.js'
import { maxGeneration } from './labels.js'
import {
  byRank,
  formatSharedLabel,
  type SharedKey,
  SharedKeyIndex,
  type SharedOwner,
} from './shared-keys.js'

export interface KeyRingOptions {
  readonly hsm: Hsm
  readonly keyIds: KeyIds
  readonly capacity: Capacity
  readonly clock: Clock
  /** Kind of the keys it uses and makes unless it is asked for another; keys of other kinds are left alone. */
  readonly kind: WrappingKind
  /** A key whose label is older is replaced by the next generation. */
  readonly maxAgeMs: number
  /** Wraps under one key by this process; far below the 2^32 of random GCM nonces (NIST SP 800-38D §8.3). */
  readonly maxUses?: number
}

/** What is one current key: whom it serves, and of which kind it is. */
interface Place {
  readonly owner: SharedOwner
  readonly kind: WrappingKind
}

export interface WantedKey {
  readonly kind?: WrappingKind | undefined
  /** A key that is to be replaced. */
  readonly avoid?: HsmKeyId | undefined
}

interface Current extends SharedKey {
  readonly place: Place
  /** The listing that was newest when this key became current; see {@link KeyRing.beginListing}. */
  readonly since: number
  uses: number
}

const defaultMaxUses = 2 ** 30

export class KeyRing {
  readonly #options: KeyRingOptions
  readonly #maxUses: number
  readonly #current = new Map<string, Current>()
  readonly #making = new Map<string, Promise<Current>>()
  #index = new SharedKeyIndex([])
  #listings = 0

  constructor(options: KeyRingOptions) {
    this.#options = options
    this.#maxUses = options.maxUses ?? defaultMaxUses
  }

  /** Call before the partition is listed for {@link refresh}: keys made meanwhile are not mistaken for removed ones. */
  beginListing(): number {
    this.#listings += 1
    return this.#listings
  }

  /** Takes a fresh listing. Counts of use survive as long as a key stays current. */
  refresh(keys: readonly HsmKey[], listing: number): void {
    const present = new Set(keys.map((key) => key.id))
    this.#index = new SharedKeyIndex(keys)
    for (const [name, current] of this.#current) {
      if (present.has(current.key.id)) {
        if (this.#isSucceeded(current)) this.#current.delete(name)
      } else if (current.since >= listing) this.#index.add(current.place.owner, current)
      else this.#current.delete(name)
    }
  }

  /**
   * The key to wrap under, counted as used once; made when there is none, when the last one is worn out or is `avoid`. Kind:
   * that of the settings unless it is given.
   */
  async take(
    owner: SharedOwner,
    options: CallOptions = {},
    { kind = this.#options.kind, avoid }: WantedKey = {},
  ): Promise<HsmKey> {
    const place = { owner, kind }
    const usable = this.#findUsable(place)
    const current =
      usable && usable.key.id !== avoid ? usable : await this.#makeOnce(place, options)
    current.uses += 1
    return current.key
  }

  /** Forgets a key that was revoked or found missing; the next {@link take} looks further. */
  forget(id: HsmKeyId): void {
    this.#index.remove(id)
    for (const [name, current] of this.#current) {
      if (current.key.id === id) this.#current.delete(name)
    }
  }

  #findUsable(place: Place): Current | undefined {
    const current = this.#current.get(nameOf(place)) ?? this.#adopt(place)
    if (!current || current.uses >= this.#maxUses) return undefined
    const ageMs = this.#options.clock.now().getTime() - Date.parse(current.createdOn)
    return ageMs > this.#options.maxAgeMs ? undefined : current
  }

  #adopt(place: Place): Current | undefined {
    const best = this.#findBest(place)
    return best && this.#setCurrent(place, best)
  }

  #findBest({ owner, kind }: Place): SharedKey | undefined {
    return this.#index.find(owner, this.#options.keyIds).find(({ key }) => key.kind === kind)
  }

  #isSucceeded(current: Current): boolean {
    const best = this.#findBest(current.place)
    return best !== undefined && byRank(best, current) < 0
  }

  #setCurrent(place: Place, key: SharedKey): Current {
    const current = { ...key, place, since: this.#listings, uses: 0 }
    this.#current.set(nameOf(place), current)
    return current
  }

  #makeOnce(place: Place, options: CallOptions): Promise<Current> {
    const name = nameOf(place)
    const making = this.#making.get(name)
    if (making) return making
    const made = this.#make(place, options).finally(() => this.#making.delete(name))
    this.#making.set(name, made)
    return made
  }

  async #make(place: Place, options: CallOptions): Promise<Current> {
    const { clock, keyIds } = this.#options
    const { owner, kind } = place
    const last = this.#index.find(owner, keyIds)[0]?.generation ?? -1
    const generation = Math.min(last + 1, maxGeneration)
    const now = clock.now()
    const label = formatSharedLabel(owner, generation, now)
    const spec = { id: keyIds.issue(owner), label, kind, use: 'wrap' } as const
    // Several requests may wait for this key: the abort of the one that came first must not fail the others.
    const { signal: _ownSignal, ...shared } = options
    const key = await createProvedKey(this.#options, spec, shared)
    const made = { key, generation, createdOn: formatUtcDate(now) }
    this.#index.add(owner, made)
    return this.#setCurrent(place, made)
  }
}

function nameOf({ owner, kind }: Place): string {
  const organisation = owner.purpose === 'organisation' ? owner.organisation : ''
  return `${kind} ${owner.purpose} ${owner.realm} ${organisation}`
}
