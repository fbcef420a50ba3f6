/** What is wrong with the configuration of the log, for `keyhsm` alone. */
import { hasCode } from '@keyhsm/core'
import { readShownConfiguration } from '../configuration.js'
import { reportLogging } from '../logging.js'
import type { Paths } from '../paths.js'

/** One line a fault; none when nothing is set up yet. */
export async function findLogFaults(paths: Paths): Promise<string[]> {
  return [...(await reportLogging(paths)), ...(await findSettingsFaults(paths))]
}

async function findSettingsFaults(paths: Paths): Promise<string[]> {
  try {
    await readShownConfiguration(paths)
    return []
  } catch (error) {
    if (!hasCode(error, 'ERR_SETTINGS')) throw error
    const faults = error.faults.filter(({ field }) => /\.(log|roll)\./.test(field))
    return faults.map(({ field, rule, line }) => `line ${line ?? '?'}: ${field} ${rule}`)
  }
}
