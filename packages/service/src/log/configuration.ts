/** Where lines of the log go, how they look and which are written: what `conf/logback.xml` says, checked. */
import type { LogThreshold } from './levels.js'
import { type LogPattern, parsePattern } from './pattern.js'

/** Fixed window of closed files: index `minIndex` is the newest. */
export interface FixedWindow {
  /** Path with `%i` for the index. */
  readonly fileNamePattern: string
  readonly minIndex: number
  readonly maxIndex: number
  /** A line that would make the file longer goes into the next one. */
  readonly maxBytes: number
}

interface AnyAppender {
  readonly name: string
  readonly pattern: LogPattern
  /** Lines below are not written here. */
  readonly threshold: LogThreshold
}

export interface FileAppender extends AnyAppender {
  readonly kind: 'file'
  /** Absolute. */
  readonly file: string
  /** Absent: the file grows without end, for logrotate to care for. */
  readonly window?: FixedWindow
}

export interface ConsoleAppender extends AnyAppender {
  readonly kind: 'console'
  readonly stream: 'stdout' | 'stderr'
}

export type Appender = FileAppender | ConsoleAppender

export interface LoggerConfiguration {
  /** Dotted; holds for the loggers below it too, e.g. `keyhsm` for `keyhsm.audit`. */
  readonly name: string
  /** Absent: that of the logger above. */
  readonly level?: LogThreshold
  /** False: the appenders of the loggers above do not get its lines. */
  readonly additive: boolean
  /** Names of appenders. */
  readonly appenders: readonly string[]
}

export interface LogConfiguration {
  readonly appenders: readonly Appender[]
  readonly root: { readonly level: LogThreshold; readonly appenders: readonly string[] }
  readonly loggers: readonly LoggerConfiguration[]
}

/** The pattern of the manual. */
export const manualPattern = '%date %level %logger: %msg%n'

export interface SimpleLog {
  /** Absent: standard error. */
  readonly file?: string
  readonly level?: LogThreshold | undefined
  /** Default 10 MiB. */
  readonly maxBytes?: number | undefined
  /** Closed files kept, default 10. */
  readonly keep?: number | undefined
}

/** One appender for everything, in the manual's form. */
export function simpleConfiguration(o: SimpleLog): LogConfiguration {
  const pattern = parsePattern(manualPattern)
  const common = { pattern, threshold: 'debug' } as const
  const appender: Appender =
    o.file === undefined
      ? { kind: 'console', name: 'CONSOLE', stream: 'stderr', ...common }
      : { kind: 'file', name: 'FILE', file: o.file, window: toWindow(o.file, o), ...common }
  return {
    appenders: [appender],
    root: { level: o.level ?? 'info', appenders: [appender.name] },
    loggers: [],
  }
}

function toWindow(file: string, { maxBytes, keep }: SimpleLog): FixedWindow {
  return {
    fileNamePattern: `${file}.%i`,
    minIndex: 1,
    maxIndex: keep ?? 10,
    maxBytes: maxBytes ?? 10 * 1024 * 1024,
  }
}

/** The closed files of a window, newest first. */
export function windowFiles({ fileNamePattern, minIndex, maxIndex }: FixedWindow): string[] {
  const count = Math.max(0, maxIndex - minIndex + 1)
  return Array.from({ length: count }, (_, i) =>
    fileNamePattern.replaceAll('%i', String(minIndex + i)),
  )
}

/** The same configuration with what `limits` names, for every file; settings of old releases win over logback.xml so. */
export function withLimits(
  configuration: LogConfiguration,
  { level, maxBytes, keep }: Omit<SimpleLog, 'file'>,
): LogConfiguration {
  const { root, appenders } = configuration
  const limit = (window: FixedWindow): FixedWindow => ({
    ...window,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(keep === undefined ? {} : { maxIndex: window.minIndex + keep - 1 }),
  })
  return {
    ...configuration,
    root: { ...root, level: level ?? root.level },
    appenders: appenders.map((appender) =>
      appender.kind === 'file' && appender.window
        ? { ...appender, window: limit(appender.window) }
        : appender,
    ),
  }
}
