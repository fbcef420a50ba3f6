/**
 * Opened zone keys. Each is kept for a bounded time and number of uses and then wiped; opening is single-flight. With a time of 0
 * nothing is kept: every use opens the deposit through the HSM.
 */
import type { Clock } from '@keyhsm/core'
import { versionHandle } from './handles.js'
import { OpenedVersion } from './opened-version.js'
import { SingleFlight } from './single-flight.js'
import type { Vault } from './vault.js'
import { parseVersion, type VersionPlace } from './zone-key.js'

export interface CacheLimits {
  /** How long an opened zone key may be used, in milliseconds; 0: not at all beyond the one use. */
  readonly maxAgeMs: number
  readonly maxUses: number
}

interface Kept {
  readonly version: OpenedVersion
  readonly endsAt: number
  readonly uid: string
  usesLeft: number
}

/** A sweep finds what nobody asks for any more; a use finds the rest. */
const sweepMs = 1_000

export class VersionCache {
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #limits: () => CacheLimits
  readonly #kept = new Map<string, Kept>()
  readonly #opening = new SingleFlight<Kept>()
  readonly #sweeper: NodeJS.Timeout
  /** Counts every forgetting: what began to open before it is not kept. */
  #generation = 0
  opened = 0

  constructor(vault: Vault, clock: Clock, limits: () => CacheLimits) {
    this.#vault = vault
    this.#clock = clock
    this.#limits = limits
    this.#sweeper = setInterval(() => this.sweep(), sweepMs).unref()
  }

  /** Lends one version to `use`, which must not keep it. Answers at once when it is kept. */
  use<Result>(
    place: VersionPlace,
    use: (version: OpenedVersion) => Result,
  ): Result | Promise<Result> {
    const handle = versionHandle(place.uid, place.index)
    const kept = this.#kept.get(handle)
    if (kept && this.#isUsable(kept)) return this.#spend(handle, kept, use)
    if (kept) this.#drop(handle, kept)
    if (this.#limits().maxAgeMs === 0) return this.#useOnce(place, use)
    return this.#opening
      .do(handle, () => this.#open(place))
      .then((opened) =>
        // Others who waited for the same opening may have used it up.
        this.#isUsable(opened) ? this.#spend(handle, opened, use) : this.#useOnce(place, use),
      )
  }

  /** Forgets every version of a key, also one that is being opened now. */
  forget(uid: string): void {
    this.#generation += 1
    for (const [handle, kept] of this.#kept) if (kept.uid === uid) this.#drop(handle, kept)
  }

  /** Wipes what is over its time. */
  sweep(): void {
    for (const [handle, kept] of this.#kept) if (!this.#isUsable(kept)) this.#drop(handle, kept)
  }

  get size(): number {
    return this.#kept.size
  }

  close(): void {
    clearInterval(this.#sweeper)
    for (const [handle, kept] of this.#kept) this.#drop(handle, kept)
  }

  #isUsable({ endsAt, usesLeft }: Kept): boolean {
    const now = this.#clock.now().getTime()
    // The limit may have been lowered by a reload since.
    return usesLeft > 0 && now < endsAt && endsAt - now <= this.#limits().maxAgeMs
  }

  #spend<Result>(handle: string, kept: Kept, use: (version: OpenedVersion) => Result): Result {
    kept.usesLeft -= 1
    try {
      return use(kept.version)
    } finally {
      if (kept.usesLeft <= 0) this.#drop(handle, kept)
    }
  }

  #drop(handle: string, kept: Kept): void {
    kept.usesLeft = 0
    kept.version.wipe()
    if (this.#kept.get(handle) === kept) this.#kept.delete(handle)
  }

  async #open(place: VersionPlace): Promise<Kept> {
    const handle = versionHandle(place.uid, place.index)
    const { maxAgeMs, maxUses } = this.#limits()
    const generation = this.#generation
    const openedAt = this.#clock.now().getTime()
    const version = await this.#read(place)
    const kept = { version, endsAt: openedAt + maxAgeMs, uid: place.uid, usesLeft: maxUses }
    if (generation === this.#generation) this.#kept.set(handle, kept)
    else kept.usesLeft = 1
    return kept
  }

  async #useOnce<Result>(
    place: VersionPlace,
    use: (version: OpenedVersion) => Result,
  ): Promise<Result> {
    const version = await this.#read(place)
    try {
      return use(version)
    } finally {
      version.wipe()
    }
  }

  async #read(place: VersionPlace): Promise<OpenedVersion> {
    this.opened += 1
    const { content } = await this.#vault.read(versionHandle(place.uid, place.index))
    return new OpenedVersion(parseVersion(content, place), place.cipher)
  }
}
