/** The meters that monitors of a Hadoop KMS read, by the names it gives them. */
import type { Clock } from '@keyhsm/core'

export const meterNames = [
  'admin',
  'key',
  'generate_eek',
  'decrypt_eek',
  'reencrypt_eek',
  'reencrypt_eek_batch',
  'invalid',
  'unauthorized',
  'unauthenticated',
] as const
export type MeterName = (typeof meterNames)[number]

/** Events a second, as Codahale's meters count them. */
export interface MeterReading {
  readonly count: number
  readonly meanRate: number
  readonly oneMinuteRate: number
  readonly fiveMinuteRate: number
  readonly fifteenMinuteRate: number
}

const tickMs = 5_000
const minutes = [1, 5, 15] as const
/** Exponentially weighted moving averages over 1, 5 and 15 minutes. */
const weights = minutes.map((minute) => 1 - Math.exp(-tickMs / 1000 / 60 / minute))

class Meter {
  count = 0
  #uncounted = 0
  readonly rates = [0, 0, 0]
  #begun = false

  mark(): void {
    this.count += 1
    this.#uncounted += 1
  }

  tick(): void {
    const rate = this.#uncounted / (tickMs / 1000)
    this.#uncounted = 0
    for (const [i, weight] of weights.entries()) {
      const before = this.rates[i] ?? 0
      this.rates[i] = this.#begun ? before + weight * (rate - before) : rate
    }
    this.#begun = true
  }
}

export interface Meters {
  mark(name: MeterName): void
  read(name: MeterName): MeterReading
  close(): void
}

export function createMeters(clock: Clock): Meters {
  const startedAt = clock.now().getTime()
  const meters = new Map(meterNames.map((name) => [name, new Meter()] as const))
  const timer = setInterval(() => {
    for (const meter of meters.values()) meter.tick()
  }, tickMs).unref()
  return {
    mark: (name) => meters.get(name)?.mark(),
    read(name) {
      const { count = 0, rates = [] } = meters.get(name) ?? {}
      const seconds = Math.max(0.001, (clock.now().getTime() - startedAt) / 1000)
      const [oneMinuteRate = 0, fiveMinuteRate = 0, fifteenMinuteRate = 0] = rates
      return { count, meanRate: count / seconds, oneMinuteRate, fiveMinuteRate, fifteenMinuteRate }
    },
    close: () => clearInterval(timer),
  }
}
