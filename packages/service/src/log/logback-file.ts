/**
 * `conf/logback.xml` of a service on the disk: made when absent, read when the service starts and reloads, checked when an
 * operator asks. `logback.xml.bkup` beside it is the default, to go back to.
 */
import { mkdir, readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { writeFileAtomically } from '../atomic-file.js'
import { describeSystemError, systemCode } from '../file-errors.js'
import {
  type LogConfiguration,
  manualPattern,
  type SimpleLog,
  withLimits,
} from './configuration.js'
import { type LogThreshold } from './levels.js'
import { formatLogProblem } from './logback/problems.js'
import { type LogbackResult, readLogback } from './logback/read-logback.js'

export interface LogbackFile {
  /** Path of `logback.xml`. */
  readonly path: string
  /** Where relative paths in it begin: the directory of the service's logs. */
  readonly logs: string
}

/** What a default file says besides the manual's own values. */
export interface DefaultLogging {
  /** Absolute path of the log. */
  readonly file: string
  readonly level?: LogThreshold
  /** Default 10 MiB. */
  readonly maxBytes?: number
  /** Closed files, default 10. */
  readonly keep?: number
}

/** The manual's example with this file's name. */
export function formatDefaultLogback({ file, level, maxBytes, keep }: DefaultLogging): string {
  const path = escapeXml(file)
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- Where the log goes and how it looks; changes take effect on reload. Check them first: run the program without a command. -->
<configuration>
    <appender name="FILE" class="ch.qos.logback.core.rolling.RollingFileAppender">
        <file>${path}</file>
        <encoder>
            <pattern>${manualPattern}</pattern>
        </encoder>
        <rollingPolicy class="ch.qos.logback.core.rolling.FixedWindowRollingPolicy">
            <fileNamePattern>${path}.%i</fileNamePattern>
            <minIndex>1</minIndex>
            <maxIndex>${keep ?? 10}</maxIndex>
        </rollingPolicy>
        <triggeringPolicy class="ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy">
            <maxFileSize>${formatSize(maxBytes ?? 10 * 1024 * 1024)}</maxFileSize>
        </triggeringPolicy>
    </appender>
    <root level="${level ?? 'info'}">
        <appender-ref ref="FILE" />
    </root>
</configuration>
`
}

/** Makes `logback.xml` and its default copy where they are missing; what is there stays. @throws as `writeFileAtomically`. */
export async function ensureLogback({ path }: LogbackFile, logging: DefaultLogging): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  for (const [place, text] of [
    [`${path}.bkup`, formatDefaultLogback({ file: logging.file })],
    [path, formatDefaultLogback(logging)],
  ] as const) {
    if ((await readIfThere(place)) === undefined) await writeFileAtomically(place, text, 0o600)
  }
}

/**
 * The configuration that the file asks for, and its warnings in the form of {@link reportLogback}.
 * @throws ERR_SETTINGS with every problem, its line and column, and how to go back to the default.
 */
export async function readLogbackFile(file: LogbackFile): Promise<Logging> {
  const { configuration, problems } = await readResult(file)
  const now = new Date()
  const lines = problems.map((problem) => formatLogProblem(problem, file.path, now))
  if (configuration) return { configuration, warnings: lines }
  const name = basename(file.path)
  throw new DomainError('ERR_SETTINGS', [`${name} cannot be used`, ...lines].join('\n'), {
    faults: problems.map(({ place, message }) => ({
      field: name,
      rule: message,
      line: place.line,
    })),
    hints: [`correct ${file.path}, or go back to the default: cp ${file.path}.bkup ${file.path}`],
  })
}

/** A configuration, and what of it has no effect, one line each. */
export interface Logging {
  readonly configuration: LogConfiguration
  /** In logback's form. */
  readonly warnings: readonly string[]
}

/** Settings of a program that win over its `logback.xml`. */
export type LogLimits = Omit<SimpleLog, 'file'>

/**
 * Makes `logback.xml` and its default copy where they are missing, and reads it.
 * @throws as {@link readLogbackFile}
 */
export async function readLogging(
  file: LogbackFile,
  { logFile, limits }: { readonly logFile: string; readonly limits: LogLimits },
): Promise<Logging> {
  await ensureLogback(file, { file: logFile })
  const { configuration, warnings } = await readLogbackFile(file)
  return { configuration: withLimits(configuration, limits), warnings }
}

/**
 * What is wrong with the file, one line each as logback prints it:
 * `06:55:20,208 |-ERROR in …/conf/logback.xml@11:85 - no applicable action for [rollingPolicy], …`; nothing when all is
 * well. Never throws.
 */
export async function reportLogback(file: LogbackFile, now = new Date()): Promise<string[]> {
  const { problems } = await readResult(file)
  return problems.map((problem) => formatLogProblem(problem, file.path, now))
}

async function readResult({ path, logs }: LogbackFile): Promise<LogbackResult> {
  try {
    return readLogback(await readFile(path, 'utf8'), { directory: logs })
  } catch (error) {
    const message = `the file cannot be read: ${describeSystemError(error)}`
    return { problems: [{ level: 'ERROR', place: { line: 1, column: 1 }, message }] }
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** In the largest unit that says it exactly. */
function formatSize(bytes: number): string {
  const unit = (['GB', 'MB', 'KB'] as const).findIndex((_, i) => bytes % 1024 ** (3 - i) === 0)
  return unit < 0 ? String(bytes) : `${bytes / 1024 ** (3 - unit)}${['GB', 'MB', 'KB'][unit]}`
}

function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
  return text.replaceAll(/[&<>]/g, (found) => entities[found] ?? found)
}
