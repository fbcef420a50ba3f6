/**
 * A connected, recognised partition: the device, the keys that make it ours, the current shared keys and the room left.
 * Operations get one of these; it never makes the partition's own keys (see `make-partition-keys.ts`).
 */
import { type Clock, DomainError, type Fingerprint } from '@keyhsm/core'
import type { CallOptions, Hsm, HsmKey, WrappingKind } from '@keyhsm/hsm'
import { Capacity } from '../keys/capacity.js'
import { KeyRing } from '../keys/key-ring.js'
import { findPartitionKeys, type PartitionKeys, wrongPartition } from './partition-keys.js'

/** The settings that new HSM keys are made by; a reload may change them. */
export interface KeySettings {
  readonly kind: WrappingKind
  /** `keyhsm.key.limit`; undefined: what the device says, if anything. */
  readonly limit: number | undefined
  readonly maxAgeMs: number
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
  readonly #clock: Clock
  #visible = true
  #kind: WrappingKind
  #capacity: Capacity
  #ring: KeyRing

  private constructor(hsm: Hsm, keys: PartitionKeys, options: ConnectPartitionOptions) {
    this.hsm = hsm
    this.keys = keys
    this.#clock = options.clock
    this.#kind = options.keySettings.kind
    this.#capacity = new Capacity(options.keySettings.limit)
    this.#ring = this.#makeRing(options.keySettings)
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

  /** False after a look at the device did not show the canary key: another token sits where ours was. */
  get visible(): boolean {
    return this.#visible
  }

  /** Makes new keys by other settings from now on; existing keys stay as they are. */
  async changeKeySettings(settings: KeySettings): Promise<void> {
    const capacity = new Capacity(settings.limit)
    const previous = { kind: this.#kind, capacity: this.#capacity, ring: this.#ring }
    this.#kind = settings.kind
    this.#capacity = capacity
    this.#ring = this.#makeRing(settings)
    try {
      await this.recheck()
    } catch (error) {
      this.#kind = previous.kind
      this.#capacity = previous.capacity
      this.#ring = previous.ring
      throw error
    }
  }

  /**
   * Refuses a caller that joined another partition, before the HSM is touched.
   * @throws ERR_WRONG_PARTITION, which a Trustee Server reports as unavailable, never as irretrievable.
   */
  requireCanary(joined: Fingerprint): void {
    if (joined !== this.keys.canaryFingerprint) {
      throw new DomainError('ERR_WRONG_PARTITION', 'wrong partition: the canary key is another one')
    }
    if (!this.#visible) throw notVisible()
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

  /** Proves again what is cached and reads the current shared keys and the number of keys. Off the request path. */
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
  }

  /** Wipes K_auth and releases the device. Safe to call twice. */
  async close(): Promise<void> {
    this.keys.kAuth.wipe()
    this.keys.keyIds.wipe()
    await this.hsm.close()
  }

  async #take(listed: readonly HsmKey[], listing: number): Promise<void> {
    const health = await this.hsm.probe({ deadlineMs: lookDeadlineMs })
    this.#capacity.observe(Math.max(listed.length, health.keys ?? 0), health.keyLimit)
    this.#ring.refresh(listed, listing)
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
