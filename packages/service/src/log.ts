/** The log of a program: pino in front, lines for people (or JSON) into a file that rolls, or to standard error. */
import { writeSync } from 'node:fs'
import { invalidInput } from '@keyhsm/core'
import { type Logger, pino } from 'pino'
import { formatLogLine } from './log/format-line.js'
import { type Plain, redactFields } from './log/redact.js'
import { RollingFile } from './log/rolling-file.js'

export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

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

export interface OpenLog extends Log {
  /** Goes on in a fresh file, after `logrotate` or an operator moved the old one. */
  reopen(): void
  setLevel(level: LogLevel): void
  close(): Promise<void>
}

export interface LogOptions {
  /** Program or part, the `%logger` of each line. */
  readonly name: string
  /** Absent: standard error. */
  readonly file?: string
  /** Default `info`. */
  readonly level?: string
  /** Default 10 MiB. */
  readonly maxBytes?: number
  /** Closed files kept, default 10. */
  readonly keep?: number
  readonly format?: 'text' | 'json'
}

interface Destination {
  write(line: string): void
  reopen(): void
  close(): void
}

const standardError: Destination = {
  write: (line) => {
    try {
      writeSync(2, line)
    } catch {
      // Nobody reads any more; a service does not stop because it cannot talk.
    }
  },
  reopen: () => undefined,
  close: () => undefined,
}

interface PinoLine {
  readonly time: number
  readonly level: string
  readonly msg: string
  readonly [field: string]: Plain
}

/** pino's JSON line as a line for people. */
function toText(json: string, logger: string): string {
  const { time, level, msg: message, ...fields } = JSON.parse(json) as PinoLine
  return formatLogLine({ time, level, logger, message, fields })
}

function parseLevel(level: string): LogLevel {
  const found = logLevels.find((known) => known === level.toLowerCase())
  if (found === undefined) throw invalidInput('level', `must be one of ${logLevels.join(', ')}`)
  return found
}

function wrap(logger: Logger): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  }
}

function makeLogger(o: LogOptions, destination: Destination): Logger {
  const write = (json: string): void => {
    destination.write(o.format === 'json' ? json : toText(json, o.name))
  }
  return pino(
    {
      level: parseLevel(o.level ?? 'info'),
      base: o.format === 'json' ? { logger: o.name } : null,
      // Redaction happens here and in `child`, by name and type at any depth: pino's own works on fixed paths.
      formatters: { level: (level) => ({ level }), log: (fields) => redactFields(fields) },
      serializers: {},
    },
    { write },
  )
}

/** @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND when the file cannot be opened; ERR_INVALID_INPUT for an unknown level. */
export function openLog(o: LogOptions): OpenLog {
  const destination: Destination =
    o.file === undefined
      ? standardError
      : new RollingFile({
          path: o.file,
          maxBytes: o.maxBytes ?? 10 * 1024 * 1024,
          keep: o.keep ?? 10,
        })
  const logger = makeLogger(o, destination)
  return {
    ...wrap(logger),
    reopen: () => destination.reopen(),
    setLevel: (level) => {
      logger.level = parseLevel(level)
    },
    close: () => {
      logger.level = 'silent'
      destination.close()
      return Promise.resolve()
    },
  }
}
