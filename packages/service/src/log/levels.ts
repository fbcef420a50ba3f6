/** How much a line matters, and how much it must to be written. */

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]
/** What lets a line through: a level, or nothing at all. */
export type LogThreshold = LogLevel | 'off'

/** Rank of a level; a line passes a threshold of at most its rank. */
export const levelRank: Readonly<Record<LogThreshold, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  off: 4,
}
