/**
 * A connected, recognised partition: the device, the keys that make it ours, the current shared keys and the room left.
 * Operations get one of these; it never makes the partition's own keys (see `make-partition-keys.ts`).
 */
import { timingSafeEqual } from 'node:crypto'
import { type Clock, DomainError, hasCode, type Realm, type SecretBytes } from '@keyhsm/core'
import {
  type CallOptions,
  type Hsm,
  type HsmHealth,
  type HsmKey,
  isPair,
  type WrappingKind,
} from '@keyhsm/hsm'
import { Activity } from '../keys/activity.js'
import { Capacity } from '../keys/capacity.js'
import { KeyPool } from '../keys/key-pool.js'
import { KeyRing } from '../keys/key-ring.js'
import { parseLabel } from '../keys/labels.js'
import {
  authText,
  findPartitionKeys,
  type PartitionKeys,
  wrongPartition,
} from './partition-keys.js'

export interface BackendHealth extends Omit<HsmHealth, 'state'> {
  readonly state: HsmHealth['state'] | 'wrong-partition'
}

/** The settings that new HSM keys are made by; a reload may change them. */
export interface KeySettings {
  readonly kind: WrappingKind
  /** `keyhsm.key.limit`; undefined: what the device says, if anything. */
  readonly limit: number | undefined
  readonly maxAgeMs: number
  /** `keyhsm.key.pool`: keys made ahead for each realm. */
  readonly pool?: number
}

export interface ConnectPartitionOptions {
  readonly keySettings: KeySettings
  readonly clock: Clock
  /** The domain recorded at set-up; undefined accepts the first one found. */
  readonly expectedDomain?: string | undefined
}

/** Time for one look at the canary key, and for the listing of a recheck. */
const lookDeadlineMs = 10_000
const listDeadlineMs = 60_000

export class Partition {
  readonly hsm: Hsm
  readonly keys: PartitionKeys
  /** Every seal and open runs within it: the pool is filled between them. */
  readonly activity = new Activity()
  readonly #clock: Clock
  #visible = true
  #provesAuth = true
  #kind: WrappingKind
  #capacity: Capacity
  #ring: KeyRing
  #pool: KeyPool
  #spares: readonly HsmKey[] = []

  private constructor(hsm: Hsm, keys: PartitionKeys, options: ConnectPartitionOptions) {
    this.hsm = hsm
    this.keys = keys
    this.#clock = options.clock
    this.#kind = options.keySettings.kind
    this.#capacity = new Capacity(options.keySettings)
    this.#ring = this.#makeRing(options.keySettings)
    this.#pool = this.#makePool(options.keySettings)
  }

  /**
   * Recognises the partition of `hsm` and lists its keys once.
   * @throws ERR_WRONG_PARTITION when it is empty or another than the expected one, naming the token.
   */
  static async connect(hsm: Hsm, options: ConnectPartitionOptions): Promise<Partition> {
    const listed = await hsm.listKeys({ deadlineMs: listDeadlineMs })
    const keys = await findPartitionKeys(hsm, listed, options.expectedDomain)
    if ('missing' in keys) throw wrongPartition(hsm, options.expectedDomain)
    const partition = new Partition(hsm, keys, options)
    await partition.#take(listed, partition.#ring.beginListing())
    return partition
  }

  /** Kind of the keys that are made from now on. */
  get kind(): WrappingKind {
    return this.#kind
  }

  get capacity(): Capacity {
    return this.#capacity
  }

  get ring(): KeyRing {
    return this.#ring
  }

  /** Keys made ahead; only of the settings that hold now. */
  get pool(): KeyPool {
    return this.#pool
  }

  /** False after a look at the device did not show the canary key: another token sits where ours was. */
  get visible(): boolean {
    return this.#visible
  }

  /** Makes new keys by other settings from now on; existing keys stay as they are. */
  async changeKeySettings(settings: KeySettings): Promise<void> {
    const capacity = new Capacity(settings)
    const previous = {
      kind: this.#kind,
      capacity: this.#capacity,
      ring: this.#ring,
      pool: this.#pool,
    }
    this.#kind = settings.kind
    this.#capacity = capacity
    this.#ring = this.#makeRing(settings)
    this.#pool = this.#makePool(settings)
    try {
      await this.recheck()
      await previous.pool.close()
    } catch (error) {
      this.#kind = previous.kind
      this.#capacity = previous.capacity
      this.#ring = previous.ring
      this.#pool = previous.pool
      throw error
    }
  }

  /**
   * Refuses a request before the HSM is touched.
   * @throws ERR_WRONG_PARTITION, which a Trustee Server reports as unavailable, never as irretrievable.
   */
  requireVisible(): void {
    if (!this.#visible) throw notVisible()
  }

  /**
   * Refuses a seal before the HSM is touched.
   * @throws ERR_HSM_UNAVAILABLE while the device does not give K_auth any more: what is sealed under it could not be opened
   * after a restart.
   */
  requireSealable(): void {
    if (!this.#provesAuth) throw notSealable()
  }

  /** Whether the device answers and shows our partition. Never throws. */
  async health(deadlineMs: number): Promise<BackendHealth> {
    const health = await this.hsm.probe({ deadlineMs })
    if (health.state !== 'ready') return health
    if (!this.#visible) return { ...health, state: 'wrong-partition' }
    if (this.#provesAuth) return health
    return { ...health, state: 'unavailable', detail: notSealable().message }
  }

  /**
   * Asks the device for the canary key: only a partition that shows it can prove that another key is gone.
   * @throws ERR_WRONG_PARTITION when it does not show it; ERR_HSM_UNAVAILABLE when it cannot be asked.
   */
  async confirmVisible(options: CallOptions = {}): Promise<void> {
    const canary = await this.hsm.findKey(this.keys.canary.id, {
      deadlineMs: lookDeadlineMs,
      ...options,
    })
    this.#visible = canary !== undefined
    if (!this.#visible) throw notVisible()
  }

  /**
   * Proves again what is cached, K_auth too, and reads the current shared keys and the number of keys. Off the request path.
   * @throws ERR_WRONG_PARTITION without the canary key; ERR_HSM_UNAVAILABLE without K_auth.
   */
  async recheck(): Promise<void> {
    const listing = this.#ring.beginListing()
    await this.hsm.recheck({ deadlineMs: listDeadlineMs })
    const listed = await this.hsm.listKeys({ deadlineMs: listDeadlineMs })
    this.#visible = listed.some((key) => key.id === this.keys.canary.id)
    if (!this.#visible) {
      await this.confirmVisible()
      return
    }
    await this.#take(listed, listing)
    this.#provesAuth = await provesAuth(this.hsm, this.keys)
    this.requireSealable()
  }

  /** Destroys keys made ahead that nobody will claim, as the last look saw them. @returns how many */
  async removeStaleSpares(realms: readonly Realm[]): Promise<number> {
    return await this.#pool.removeStale(this.#spares, realms)
  }

  /** Wipes K_auth and releases the device. Safe to call twice. */
  async close(): Promise<void> {
    await this.#pool.close()
    this.keys.kAuth.wipe()
    this.keys.keyIds.wipe()
    await this.hsm.close()
  }

  async #take(listed: readonly HsmKey[], listing: number): Promise<void> {
    const health = await this.hsm.probe({ deadlineMs: lookDeadlineMs })
    const keys = Math.max(listed.length, health.keys ?? 0)
    const pairs = listed.filter(({ kind }) => isPair(kind)).length
    const limits = { keys: health.keyLimit, pairs: health.pairLimit }
    this.#capacity.observe({ keys, pairs }, limits, health.memory)
    this.#ring.refresh(listed, listing)
    this.#spares = listed.filter(({ label }) => parseLabel(label)?.form === 'pool')
  }

  #makePool(settings: KeySettings): KeyPool {
    return new KeyPool({
      hsm: this.hsm,
      keyIds: this.keys.keyIds,
      capacity: this.#capacity,
      clock: this.#clock,
      activity: this.activity,
      kind: settings.kind,
      size: settings.pool ?? 0,
    })
  }

  #makeRing(settings: KeySettings): KeyRing {
    return new KeyRing({
      hsm: this.hsm,
      keyIds: this.keys.keyIds,
      capacity: this.#capacity,
      clock: this.#clock,
      kind: settings.kind,
      maxAgeMs: settings.maxAgeMs,
    })
  }
}

function notVisible(): DomainError {
  return new DomainError(
    'ERR_WRONG_PARTITION',
    'wrong partition: the HSM does not show the canary key',
    { retryAfterMs: 5000 },
  )
}

/** Whether the authentication key still is the one that K_auth was computed by. */
async function provesAuth(hsm: Hsm, { auth, kAuth }: PartitionKeys): Promise<boolean> {
  try {
    const now = await hsm.authenticate(auth.id, Buffer.from(authText), {
      deadlineMs: lookDeadlineMs,
    })
    return isSame(now, kAuth)
  } catch (error) {
    if (hasCode(error, 'ERR_NOT_FOUND')) return false
    throw error
  }
}

function isSame(one: SecretBytes, other: SecretBytes): boolean {
  try {
    return one.expose((a) => other.expose((b) => a.length === b.length && timingSafeEqual(a, b)))
  } finally {
    one.wipe()
  }
}

function notSealable(): DomainError {
  return new DomainError(
    'ERR_HSM_UNAVAILABLE',
    'the HSM does not show the authentication key: nothing is sealed, what is sealed opens until a restart',
    { retryAfterMs: 5000, hints: ['bring the key auth-… back from a backup of the HSM'] },
  )
}
