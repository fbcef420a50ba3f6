/** How the Trustee Server logs: `conf/logback.xml`, with what `keytrustee.properties` says on top. */
import { dirname } from 'node:path'
import { type Logging, readLogging as readFile } from '@keyhsm/service'
import type { Paths } from './paths.js'
import type { Settings } from './settings.js'

/** @throws ERR_SETTINGS with every fault of the file, its line and column. */
export function readLogging(
  { logback, logFile }: Pick<Paths, 'logback' | 'logFile'>,
  { logLevel, logBytes, logFiles }: Pick<Settings, 'logLevel' | 'logBytes' | 'logFiles'>,
): Promise<Logging> {
  const limits = { level: logLevel, maxBytes: logBytes, keep: logFiles }
  return readFile({ path: logback, logs: dirname(logFile) }, { logFile, limits })
}
