/**
 * How long to wait before a dead host is started again. At once after a long life; the pause grows with each death that
 * follows quickly on a start, and many deaths in a minute open a breaker, so that a library that crashes on every call is
 * not loaded a hundred times a minute.
 */

/** Pauses after 0, 1, 2, … short lives in a row, milliseconds. */
const pauses = [0, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000] as const
/** A host that lived this long, ready, starts the row anew. */
const longLifeMs = 2000
const breaker = { deaths: 20, withinMs: 60_000, pauseMs: 10_000 } as const

export class RestartPolicy {
  #shortLives = 0
  #deaths: number[] = []

  /** Counts a death at `now` of a host that had been ready for `readyMs`; returns the pause before the next start. */
  pauseAfter(now: number, readyMs: number): number {
    this.#shortLives = readyMs >= longLifeMs ? 0 : this.#shortLives + 1
    this.#deaths = [...this.#deaths.filter((at) => now - at < breaker.withinMs), now]
    const pause = pauses[Math.min(Math.max(this.#shortLives - 1, 0), pauses.length - 1)] ?? 0
    return this.isOpen(now) ? Math.max(pause, breaker.pauseMs) : pause
  }

  /** True while the deaths of the last minute keep the breaker open. */
  isOpen(now: number): boolean {
    return this.#deaths.filter((at) => now - at < breaker.withinMs).length > breaker.deaths
  }
}
