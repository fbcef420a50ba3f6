/**
 * Which handles belong to which id. Filled by one pass at the start and kept up by our own writes, so that no request
 * searches the token; the only place that concludes that a key is gone, and only after two looks.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError, type HsmKeyId } from '@keyhsm/core'
import { CKO } from '../constants.js'
import type { CryptokiHandle } from '../cryptoki.js'
import type { Pkcs11Profile } from '../profile.js'
import type { CallControl } from './job-queue.js'
import type { KeyDescription, WholeKey } from './jobs/describe-key.js'
import type { KeyHandles } from './jobs/find-objects.js'
import type { IdentifiedObject } from './jobs/read-ids.js'
import {
  countObjects,
  ensureNoConflict,
  isConflict,
  sameHandles,
  toHandles,
  toWhole,
} from './key-handles.js'
import type { KnownStamp } from './known-stamp.js'
import { JobError, type Scheduler } from './scheduler.js'

interface Entry {
  readonly handles: KeyHandles
  description: KeyDescription | undefined
}

/** What the last filling saw. */
export interface DirectoryCount {
  /** Whole keys. */
  readonly keys: number
  /** Ids with half a pair or with several objects of one class. */
  readonly broken: number
}

/** Objects whose ids are read by one job: short enough to let urgent jobs through. */
const chunkObjects = 200

export class KeyDirectory {
  readonly #scheduler: Scheduler
  readonly #profile: Pkcs11Profile
  readonly #stamp: KnownStamp
  readonly #looking = new Map<HsmKeyId, Promise<KeyHandles>>()
  readonly #madeAt = new Map<HsmKeyId, number>()
  #entries = new Map<HsmKeyId, Entry>()
  /** What was made or forgotten since each reading of the token that is under way began. */
  readonly #readings = new Set<Set<HsmKeyId>>()

  constructor(scheduler: Scheduler, profile: Pkcs11Profile, stamp: KnownStamp) {
    this.#scheduler = scheduler
    this.#profile = profile
    this.#stamp = stamp
  }

  get size(): number {
    return this.#entries.size
  }

  /** Whether an object with this id is known here. */
  knows(id: HsmKeyId): boolean {
    return this.#entries.has(id)
  }

  /** Whether the last look showed the half that opens without the half that names it. */
  holdsPrivateHalf(id: HsmKeyId): boolean {
    const handles = this.#entries.get(id)?.handles
    return handles?.privateKeys.length === 1 && handles.publicKeys.length === 0
  }

  /** Takes in a key that was just made. */
  add(id: HsmKeyId, key: WholeKey, description: KeyDescription): void {
    this.#touch(id)
    this.#madeAt.set(id, performance.now())
    this.#entries.set(id, { handles: toHandles(key), description })
  }

  /** Forgets what is cached of an id. */
  forget(id: HsmKeyId): void {
    this.#touch(id)
    this.#entries.delete(id)
  }

  /** What was described of the key is asked again. */
  forgetDescription(id: HsmKeyId): void {
    const entry = this.#entries.get(id)
    if (entry) entry.description = undefined
  }

  /** Forgets a key that was destroyed here: its absence is no longer that of a key that is still to appear. */
  drop(id: HsmKeyId): void {
    this.#madeAt.delete(id)
    this.forget(id)
  }

  /**
   * Runs `use` with the key's handles. When the device no longer knows them, they are looked for again and `use` is run
   * once more.
   * @throws ERR_NOT_FOUND after two empty looks; ERR_CONFLICT when two keys have this id.
   */
  async withKey<Result>(
    id: HsmKeyId,
    control: CallControl,
    use: (key: WholeKey) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await use(await this.#locate(id, control))
    } catch (error) {
      if (!isKeyMissing(error)) throw error
    }
    this.forget(id)
    return await use(await this.#locate(id, control))
  }

  /** What the device says about the key, asked once and kept. @throws as {@link withKey}. */
  async describe(id: HsmKeyId, control: CallControl): Promise<KeyDescription> {
    const known = this.#entries.get(id)?.description
    if (known) return known
    const description = await this.withKey(id, control, (key) =>
      this.#scheduler.submit('describeKey', key, control),
    )
    // A foreign key with an id of 16 bytes is not ours to speak of.
    if (!description) throw noSuchKey()
    const entry = this.#entries.get(id)
    if (entry) entry.description = description
    return description
  }

  /** Asks the device about those of `ids` that were not described yet, all in one job; what fails is left undescribed. */
  async describeAhead(ids: readonly HsmKeyId[], control: CallControl): Promise<void> {
    const entries = ids.flatMap((id) => this.#entries.get(id) ?? [])
    const unknown = entries.flatMap((entry) => {
      const key = entry.description ? undefined : toWhole(entry.handles)
      return key ? [{ entry, key }] : []
    })
    if (unknown.length === 0) return
    const keys = unknown.map(({ key }) => key)
    const described = await this.#scheduler.submit('describeKeys', keys, control)
    for (const [index, { entry }] of unknown.entries()) entry.description = described[index]
  }

  /** The objects with this id, by a search; two when the first finds no whole key. Updates what is cached. */
  look(id: HsmKeyId, control: CallControl): Promise<KeyHandles> {
    control.begun = true
    const running = this.#looking.get(id)
    if (running) return running
    // Others may join this search, so it must not end with the caller who began it.
    const shared: CallControl = { urgency: 'unwrap', dropped: false, begun: true }
    const looking = this.#lookTwice(id, shared).finally(() => this.#looking.delete(id))
    this.#looking.set(id, looking)
    return looking
  }

  /**
   * Reads every id on the token and replaces what is cached; keys made or forgotten meanwhile stay as they are.
   * `unlessKnown`: not where the token's stamp shows that nobody has changed it since it was read.
   */
  async readToken(control: CallControl, unlessKnown = false): Promise<DirectoryCount> {
    const touched = new Set<HsmKeyId>()
    this.#readings.add(touched)
    try {
      const objects = await this.#scheduler.submit('scanObjects', { unlessKnown }, control)
      if (objects) {
        const found = await this.#readIds(objects, control)
        this.#replace(groupById(found), touched)
        this.#stamp.filled()
      }
    } finally {
      this.#readings.delete(touched)
    }
    const entries = [...this.#entries.values()]
    const keys = entries.filter((entry) => toWhole(entry.handles) !== undefined).length
    return { keys, broken: entries.length - keys }
  }

  /** Ids with a whole key. */
  wholeKeys(): readonly HsmKeyId[] {
    const whole = [...this.#entries].filter(([, { handles }]) => toWhole(handles) !== undefined)
    return whole.map(([id]) => id)
  }

  #touch(id: HsmKeyId): void {
    for (const touched of this.#readings) touched.add(id)
  }

  async #locate(id: HsmKeyId, control: CallControl): Promise<WholeKey> {
    const cached = this.#entries.get(id)?.handles
    // Half a pair in the cache is looked for again; what a look has just said is not.
    const usable = cached && (isConflict(cached) || toWhole(cached) !== undefined)
    const handles = usable ? cached : await this.look(id, control)
    ensureNoConflict(handles)
    const key = toWhole(handles)
    if (key) return key
    if (this.#settling(id)) throw notYetVisible()
    throw noSuchKey()
  }

  async #lookTwice(id: HsmKeyId, control: CallControl): Promise<KeyHandles> {
    const first = await this.#scheduler.submit(
      'findKeyObjects',
      { id, freshSession: false },
      control,
    )
    if (toWhole(first) || isConflict(first)) return this.#keep(id, first)
    await sleep(this.#profile.secondLookMs)
    const args = { id, freshSession: true }
    return this.#keep(id, await this.#scheduler.submit('confirmKeyObjects', args, control))
  }

  #keep(id: HsmKeyId, handles: KeyHandles): KeyHandles {
    this.#touch(id)
    const before = this.#entries.get(id)
    if (countObjects(handles) === 0) this.#entries.delete(id)
    else if (!before || !sameHandles(before.handles, handles)) {
      this.#entries.set(id, { handles, description: undefined })
    }
    return handles
  }

  #settling(id: HsmKeyId): boolean {
    const madeAt = this.#madeAt.get(id)
    return madeAt !== undefined && performance.now() - madeAt < this.#profile.settleMs
  }

  async #readIds(
    objects: readonly CryptokiHandle[],
    control: CallControl,
  ): Promise<IdentifiedObject[]> {
    const found: IdentifiedObject[] = []
    for (let at = 0; at < objects.length; at += chunkObjects) {
      const chunk = objects.slice(at, at + chunkObjects)
      found.push(...(await this.#scheduler.submit('readIds', chunk, control)))
    }
    return found
  }

  #replace(found: ReadonlyMap<HsmKeyId, KeyHandles>, touched: ReadonlySet<HsmKeyId>): void {
    const next = new Map<HsmKeyId, Entry>()
    for (const [id, handles] of found) {
      const before = this.#entries.get(id)
      const same = before && sameHandles(before.handles, handles)
      if (!touched.has(id)) next.set(id, same ? before : { handles, description: undefined })
    }
    for (const id of touched) {
      const entry = this.#entries.get(id)
      if (entry) next.set(id, entry)
    }
    this.#entries = next
    const settled = performance.now() - this.#profile.settleMs
    for (const [id, madeAt] of this.#madeAt) if (madeAt < settled) this.#madeAt.delete(id)
  }
}

function groupById(found: readonly IdentifiedObject[]): Map<HsmKeyId, KeyHandles> {
  const groups = new Map<HsmKeyId, Record<keyof KeyHandles, CryptokiHandle[]>>()
  for (const { id, class: kind, object } of found) {
    const list = listOfClass[kind]
    if (!list) continue
    const group = groups.get(id) ?? { privateKeys: [], publicKeys: [], secretKeys: [] }
    group[list].push(object)
    groups.set(id, group)
  }
  return groups
}

const listOfClass: Readonly<Record<number, keyof KeyHandles>> = {
  [CKO.privateKey]: 'privateKeys',
  [CKO.publicKey]: 'publicKeys',
  [CKO.secretKey]: 'secretKeys',
}

function isKeyMissing(error: unknown): boolean {
  return error instanceof JobError && error.means === 'key-missing'
}

function noSuchKey(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'there is no such HSM key')
}

function notYetVisible(): DomainError {
  const detail = 'the HSM does not show a key that was just made'
  return new DomainError('ERR_HSM_UNAVAILABLE', detail, { retryAfterMs: 1000 })
}
