/** Whether requests are under way: what nobody waits for is done when none is. */
import { setTimeout as pause } from 'node:timers/promises'

const pollMs = 20

export interface QuietRule {
  /** How long nothing must have run. */
  readonly forMs: number
  /** After this long it is called quiet all the same. */
  readonly atMostMs: number
  readonly signal: AbortSignal
}

export class Activity {
  #running = 0
  #endedAt = Number.NEGATIVE_INFINITY

  /** Counts `work` as a request while it runs. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#running += 1
    try {
      return await work()
    } finally {
      this.#running -= 1
      this.#endedAt = performance.now()
    }
  }

  /** Resolves when it is quiet; at once when aborted. */
  async quiet({ forMs, atMostMs, signal }: QuietRule): Promise<void> {
    const endsAt = performance.now() + atMostMs
    while (!signal.aborted && !this.#isQuiet(forMs) && performance.now() < endsAt) {
      await pause(pollMs, undefined, { ref: false })
    }
  }

  #isQuiet(forMs: number): boolean {
    return this.#running === 0 && performance.now() - this.#endedAt >= forMs
  }
}
