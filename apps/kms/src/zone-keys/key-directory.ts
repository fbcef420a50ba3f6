/**
 * Descriptions of zone keys by name. What was read is used for a bounded time without asking; then a listing, which costs no HSM
 * call, says whether the revision that was read is still the newest. That there is no key of a name, or none any more, is never remembered: who
 * made one finds it on every instance at once.
 */
import { type Clock, hasCode } from '@keyhsm/core'
import { keyHandle, keyPrefix } from './handles.js'
import { SingleFlight } from './single-flight.js'
import type { Vault } from './vault.js'
import { type NamedKey, parseNamedKey, type ZoneKey } from './zone-key.js'

/** A description with the revision that a change must name. */
export interface Described {
  readonly revision: number
  readonly named: NamedKey
}

/** A key that exists now. */
export interface LiveKey {
  readonly name: string
  readonly key: ZoneKey
}

interface Remembered extends Described {
  readonly checkedAt: number
}

/** Descriptions opened at once while all names are read for the first time. */
const parallelReads = 8

export class KeyDirectory {
  readonly #vault: Vault
  readonly #clock: Clock
  readonly #maxAgeMs: () => number
  readonly #byHandle = new Map<string, Remembered>()
  readonly #reads = new SingleFlight<Described | undefined>()

  /** `maxAgeMs`: how long a description is used without asking; 0 asks every time. */
  constructor(vault: Vault, clock: Clock, maxAgeMs: () => number) {
    this.#vault = vault
    this.#clock = clock
    this.#maxAgeMs = maxAgeMs
  }

  /** The key of this name, undefined when there is none (any more). Answers at once where it can. */
  find(name: string): LiveKey | undefined | Promise<LiveKey | undefined> {
    const remembered = this.#byHandle.get(keyHandle(name))
    const live = remembered && toLive(remembered.named)
    if (live && this.#clock.now().getTime() - remembered.checkedAt < this.#maxAgeMs()) return live
    return this.look(name).then((found) => found && toLive(found.named))
  }

  /** What the Trustee Server says now, deleted keys included: to decide about a change. */
  look(name: string): Promise<Described | undefined> {
    const handle = keyHandle(name)
    return this.#reads.do(handle, async () => {
      const entry = await this.#vault.find(handle)
      if (entry) return this.#readIfNewer(entry.handle, entry.revision, name)
      this.#byHandle.delete(handle)
      return undefined
    })
  }

  /** All names that ever were, as the Trustee Server has them now, in the order of the names. */
  async lookAll(): Promise<readonly NamedKey[]> {
    const entries = await this.#vault.list(keyPrefix)
    const found: NamedKey[] = []
    const rest = [...entries]
    const readRest = async () => {
      for (let entry = rest.shift(); entry; entry = rest.shift()) {
        const described = await this.#readIfNewer(entry.handle, entry.revision)
        if (described) found.push(described.named)
      }
    }
    await Promise.all(Array.from({ length: parallelReads }, readRest))
    return found.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Forgets one name, so that the next question is asked anew. */
  forget(name: string): void {
    const handle = keyHandle(name)
    this.#byHandle.delete(handle)
    this.#reads.forget(handle)
  }

  async #readIfNewer(
    handle: string,
    revision: number,
    name?: string,
  ): Promise<Described | undefined> {
    const checkedAt = this.#clock.now().getTime()
    const remembered = this.#byHandle.get(handle)
    if (remembered?.revision === revision) {
      this.#byHandle.set(handle, { ...remembered, checkedAt })
      return remembered
    }
    try {
      const read = await this.#vault.read(handle as ReturnType<typeof keyHandle>)
      const named = parseNamedKey(read.content, name)
      const described = { revision: read.revision, named, checkedAt }
      this.#byHandle.set(handle, described)
      return described
    } catch (error) {
      this.#byHandle.delete(handle)
      // Removed between the listing and the reading.
      if (hasCode(error, 'ERR_NOT_FOUND')) return undefined
      throw error
    }
  }
}

function toLive({ name, key }: NamedKey): LiveKey | undefined {
  return key && { name, key }
}
