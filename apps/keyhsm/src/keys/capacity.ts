/**
 * Keeps the device from filling up unseen: says so early and refuses new HSM keys before the device does, so that there
 * is room left for the partition's own keys and for rotation. Opens are never refused.
 */
import { DomainError } from '@keyhsm/core'
import { type DeviceMemory, isPair, type KeyKind } from '@keyhsm/hsm'

const warnShare = 0.8
const refuseShare = 0.95

/** Keys in the device, and how many of them are pairs; or the most that it takes of both. */
export interface KeyCount<Value = number> {
  readonly keys: Value
  readonly pairs: Value
}

/** Either all keys against their limit or the pairs against theirs: what leaves less room. */
export interface CapacityState {
  readonly keys: number
  /** Undefined: neither the setting nor the device names a limit. */
  readonly limit: number | undefined
  /** Room for keys in the device, where it tells. */
  readonly memory?: DeviceMemory
  readonly level: Level
  /** Keys that would still be made; undefined where nothing limits them but, perhaps, bytes. */
  readonly room: number | undefined
}

type Level = 'ok' | 'warn' | 'full'
const levels: readonly Level[] = ['ok', 'warn', 'full']

export class Capacity {
  readonly #settingLimit: number | undefined
  readonly #makesPairs: boolean
  #limits: KeyCount<number | undefined> = { keys: undefined, pairs: undefined }
  #memory: DeviceMemory | undefined
  #counted: KeyCount = { keys: 0, pairs: 0 }
  /** Keys made, or destroyed, since they were counted. */
  #since = 0

  /** `limit` is `keyhsm.key.limit`; it wins over what the device says. `kind` is that of the keys to be made. */
  constructor({ limit, kind }: { readonly limit?: number | undefined; readonly kind: KeyKind }) {
    this.#settingLimit = limit
    this.#makesPairs = isPair(kind)
  }

  /** Takes a fresh count from the device; in between {@link reserve} and {@link release} keep it up to date. */
  observe(
    counted: KeyCount,
    limits: KeyCount<number | undefined> = { keys: undefined, pairs: undefined },
    memory?: DeviceMemory,
  ): void {
    this.#counted = counted
    this.#since = 0
    this.#limits = limits
    this.#memory = memory
  }

  /**
   * Counts a key about to be made; call {@link release} when it was not, or was destroyed.
   * @throws ERR_HSM_FULL from 95 % of the limit on.
   */
  reserve(): void {
    if (this.state().level === 'full') {
      throw new DomainError('ERR_HSM_FULL', 'the HSM has no room for another key', {
        hints: [
          'revoke or prune keys that are no longer needed, or set keyhsm.key.scope=organisation',
        ],
      })
    }
    this.#since += 1
  }

  /** One key less. */
  release(): void {
    this.#since -= 1
  }

  state(): CapacityState {
    const memory = this.#memory
    const { keys, limit, room } = this.#scarcest()
    const byKeys = levelOf(keys, limit)
    const state = { keys, limit }
    if (!memory) return { ...state, level: byKeys, room }
    const byMemory = levelOf(memory.totalBytes - memory.freeBytes, memory.totalBytes)
    const level = higher(byKeys, byMemory)
    return { ...state, memory, level, room: level === 'full' ? 0 : room }
  }

  #scarcest(): Pick<CapacityState, 'keys' | 'limit' | 'room'> {
    const all = this.#against(this.#counted.keys, this.#settingLimit ?? this.#limits.keys)
    if (!this.#makesPairs || this.#settingLimit !== undefined) return all
    const pairs = this.#against(this.#counted.pairs, this.#limits.pairs)
    return (pairs.room ?? Infinity) < (all.room ?? Infinity) ? pairs : all
  }

  #against(counted: number, limit: number | undefined) {
    const keys = Math.max(0, counted + this.#since)
    const room =
      limit === undefined ? undefined : Math.max(0, Math.ceil(limit * refuseShare) - keys)
    return { keys, limit, room }
  }
}

function levelOf(used: number, limit: number | undefined): Level {
  if (limit === undefined) return 'ok'
  if (used >= limit * refuseShare) return 'full'
  return used >= limit * warnShare ? 'warn' : 'ok'
}

function higher(one: Level, other: Level): Level {
  return levels.indexOf(one) > levels.indexOf(other) ? one : other
}
