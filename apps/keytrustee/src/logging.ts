/** How the Trustee Server logs: `conf/logback.xml`, with what `keytrustee.properties` says on top. */
import {
  ensureLogback,
  type LogbackFile,
  type LogConfiguration,
  readLogbackFile,
  withLimits,
} from '@keyhsm/service'
import { dirname } from 'node:path'
import type { Paths } from './paths.js'
import type { Settings } from './settings.js'

type LogPaths = Pick<Paths, 'logback' | 'logFile'>
type LogSettings = Pick<Settings, 'logLevel' | 'logBytes' | 'logFiles'>

/**
 * Makes the file and its default copy where they are missing, and reads it.
 * @throws ERR_SETTINGS with every fault of the file, its line and column.
 */
export async function readLogging(
  paths: LogPaths,
  settings: LogSettings,
): Promise<{ readonly configuration: LogConfiguration; readonly warnings: readonly string[] }> {
  const file: LogbackFile = { path: paths.logback, logs: dirname(paths.logFile) }
  await ensureLogback(file, { file: paths.logFile })
  const { configuration, warnings } = await readLogbackFile(file)
  const { logLevel: level, logBytes: maxBytes, logFiles: keep } = settings
  return { configuration: withLimits(configuration, { level, maxBytes, keep }), warnings }
}
