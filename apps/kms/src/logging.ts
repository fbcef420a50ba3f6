/** How the KMS logs: `conf/logback.xml`, with what `kms.properties` says on top. */
import { type Logging, readLogging as readFile } from '@keyhsm/service'
import type { Paths } from './paths.js'
import type { Settings } from './settings.js'

/** @throws ERR_SETTINGS with every fault of the file, its line and column. */
export function readLogging(
  { logback, log, logFile }: Pick<Paths, 'logback' | 'log' | 'logFile'>,
  { logLevel, logBytes, logFiles }: Pick<Settings, 'logLevel' | 'logBytes' | 'logFiles'>,
): Promise<Logging> {
  const limits = { level: logLevel, maxBytes: logBytes, keep: logFiles }
  return readFile({ path: logback, logs: log }, { logFile, limits })
}
