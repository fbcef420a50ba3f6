/** The log of a program: lines for people into files that roll, or to a stream, as its configuration says. */
import { invalidInput } from '@keyhsm/core'
import { type LogConfiguration, simpleConfiguration } from './log/configuration.js'
import { type LogLevel, logLevels, type LogThreshold } from './log/levels.js'
import { LevelForATime } from './log/level-for-a-time.js'
import { type Plain, redactFields } from './log/redact.js'
import { LogRouter } from './log/router.js'

export type { LogConfiguration } from './log/configuration.js'
export { type LogLevel, type LogThreshold, logLevels } from './log/levels.js'

/** What goes with a message. An error (any name) is written with its causes; secrets are taken out by name and type. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** A log that adds `fields` to each line. */
  child(fields: LogFields): Log
}

/** How the log is doing, for `status` and the health page. */
export interface LogState {
  /** False: lines are lost, or a file grows past its size. */
  readonly healthy: boolean
  readonly detail: string
  /** The level of the root logger, or the one that was set for a time. */
  readonly level: LogThreshold
  /** When a level that was set for a time ends. */
  readonly levelUntil?: Date
  readonly files: readonly string[]
}

export interface OpenLog extends Log {
  /** The log of a part, e.g. `keyhsm.audit`: its level and place can be configured by this name. */
  named(logger: string): Log
  /** The lines that `work` writes go into a file in one write, at its end. `work` must be short and must not wait. */
  together(work: () => void): void
  /** Goes on in a fresh file at once, after `logrotate` or an operator moved the old one; by itself it does so within a second. */
  reopen(): void
  /**
   * From the next line on as `configuration` says. @throws when a file cannot be opened; then everything stays as it was.
   */
  configure(configuration: LogConfiguration): void
  /** A level for all loggers, whatever the configuration says; undefined takes it back. @throws ERR_INVALID_INPUT. */
  setLevel(level: string | undefined): void
  /** The same for `forMs`, whatever else is set or configured meanwhile; a later order replaces it. @returns its end */
  setLevelFor(level: string, forMs: number): Date
  /** Ends {@link setLevelFor} now. */
  endLevelFor(): void
  state(): LogState
  close(): Promise<void>
}

export interface LogOptions {
  /** Program or part, the `%logger` of each line. */
  readonly name: string
  /** Wins over what stands below. */
  readonly configuration?: LogConfiguration
  /** Absent: standard error. */
  readonly file?: string
  /** Default `info`. */
  readonly level?: string
  /** Default 10 MiB. */
  readonly maxBytes?: number
  /** Closed files kept, default 10. */
  readonly keep?: number
}

/** @throws ERR_INVALID_INPUT for a name that is none of {@link logLevels}. */
function parseLevel(level: string): LogLevel {
  const found = logLevels.find((known) => known === level.toLowerCase())
  if (found === undefined) throw invalidInput('level', `must be one of ${logLevels.join(', ')}`)
  return found
}

function makeLog(router: LogRouter, logger: string, always: Record<string, Plain>): Log {
  const write = (level: LogLevel, fields: LogFields, message: string): void => {
    if (!router.lets(level, logger)) return
    const all = { ...always, ...redactFields(fields) }
    router.write({ time: Date.now(), level, logger, message, fields: all })
  }
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
    child: (fields) => makeLog(router, logger, { ...always, ...redactFields(fields) }),
  }
}

function readState(router: LogRouter, levelUntil: Date | undefined): LogState {
  const { configuration, troubles, override } = router
  const files = configuration.appenders.flatMap((one) => (one.kind === 'file' ? [one.file] : []))
  const streams = configuration.appenders.flatMap((one) =>
    one.kind === 'file' ? [] : [one.stream],
  )
  return {
    healthy: troubles.length === 0,
    detail: troubles.join('; ') || [...files, ...streams].join(', ') || 'no appender',
    level: override ?? configuration.root.level,
    ...(levelUntil === undefined ? {} : { levelUntil }),
    files,
  }
}

/** @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND when a file cannot be opened; ERR_INVALID_INPUT for an unknown level. */
export function openLog(o: LogOptions): OpenLog {
  const { name, configuration, level, ...simple } = o
  const router = new LogRouter(
    configuration ?? simpleConfiguration({ ...simple, level: parseLevel(level ?? 'info') }),
  )
  const own = makeLog(router, name, {})
  const override = new LevelForATime((next) => router.overrideLevel(next))
  return {
    ...own,
    named: (logger) => makeLog(router, logger, {}),
    together: (work) => router.together(work),
    reopen: () => router.reopen(),
    configure: (next) => router.configure(next),
    setLevel: (next) => override.setBase(next === undefined ? undefined : parseLevel(next)),
    setLevelFor: (next, forMs) =>
      override.set(parseLevel(next), forMs, () => own.info({}, 'the level of the log ended')),
    endLevelFor: () => override.end(),
    state: () => readState(router, override.until),
    close: () => {
      override.end()
      router.close()
      return Promise.resolve()
    },
  }
}
