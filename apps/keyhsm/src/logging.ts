/** How Key HSM logs: `conf/logback.xml`, with what `application.properties` says in the words of old releases on top. */
import {
  ensureLogback,
  type LogbackFile,
  type Logging,
  readLogging as readFile,
  reportLogback,
} from '@keyhsm/service'
import type { CommonSettings } from './backend-configuration.js'
import { readTextIfThere } from './files.js'
import type { Paths } from './paths.js'

type LogPaths = Pick<Paths, 'logback' | 'log' | 'logFile'>
type LogSettings = Partial<Pick<CommonSettings, 'logLevel' | 'logBytes' | 'logFiles'>>

export type { Logging }

/** Makes `conf/logback.xml` and its default copy where they are missing. */
export async function ensureLogging(paths: LogPaths): Promise<void> {
  await ensureLogback(toFile(paths), { file: paths.logFile })
}

/** @throws ERR_SETTINGS with every fault of the file, its line and column. */
export async function readLogging(paths: LogPaths, settings: LogSettings): Promise<Logging> {
  const { logLevel: level, logBytes: maxBytes, logFiles: keep } = settings
  const limits = { level, maxBytes, keep }
  return await readFile(toFile(paths), { logFile: paths.logFile, limits })
}

/** What is wrong with `conf/logback.xml`, one line a fault as logback prints it; none when nothing is set up yet. */
export async function reportLogging(paths: LogPaths): Promise<string[]> {
  const there = await readTextIfThere(paths.logback).catch(() => '')
  return there === undefined ? [] : await reportLogback(toFile(paths))
}

function toFile({ logback, log }: LogPaths): LogbackFile {
  return { path: logback, logs: log }
}
