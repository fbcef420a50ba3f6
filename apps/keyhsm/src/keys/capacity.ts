/**
 * Keeps the device from filling up unseen: says so early and refuses new HSM keys before the device does, so that there
 * is room left for the partition's own keys and for rotation. Opens are never refused.
 */
import { DomainError } from '@keyhsm/core'
import type { DeviceMemory } from '@keyhsm/hsm'

const warnShare = 0.8
const refuseShare = 0.95

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
  #deviceLimit: number | undefined
  #memory: DeviceMemory | undefined
  #keys = 0

  /** `settingLimit` is `keyhsm.key.limit`; it wins over what the device says. */
  constructor(settingLimit?: number) {
    this.#settingLimit = settingLimit
  }

  /** Takes a fresh count from the device; in between {@link reserve} and {@link release} keep it up to date. */
  observe(keys: number, deviceLimit?: number, memory?: DeviceMemory): void {
    this.#keys = keys
    this.#deviceLimit = deviceLimit
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
    this.#keys += 1
  }

  /** One key less. */
  release(): void {
    this.#keys = Math.max(0, this.#keys - 1)
  }

  state(): CapacityState {
    const limit = this.#settingLimit ?? this.#deviceLimit
    const memory = this.#memory
    const byKeys = levelOf(this.#keys, limit)
    const room =
      limit === undefined ? undefined : Math.max(0, Math.ceil(limit * refuseShare) - this.#keys)
    const state = { keys: this.#keys, limit }
    if (!memory) return { ...state, level: byKeys, room }
    const byMemory = levelOf(memory.totalBytes - memory.freeBytes, memory.totalBytes)
    const level = higher(byKeys, byMemory)
    return { ...state, memory, level, room: level === 'full' ? 0 : room }
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
