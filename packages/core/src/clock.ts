/** Time as a dependency, so that tests decide what time it is. */
export interface Clock {
  now(): Date
}

/** The machine's clock. */
export const systemClock: Clock = { now: () => new Date() }

/** The UTC date as `yyyy-mm-dd`. */
export function formatUtcDate(instant: Date): string {
  return instant.toISOString().slice(0, 10)
}
