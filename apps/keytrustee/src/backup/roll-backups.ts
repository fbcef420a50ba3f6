import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { toFileError } from '@keyhsm/service'
import { backupPattern } from './write-backup.js'

/** Removes all but the newest `keep` backups of a folder, by their names. @returns the names of those removed. */
export async function rollBackups(directory: string, keep: number): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => backupPattern.test(name)).sort()
    const old = names.slice(0, Math.max(0, names.length - keep))
    for (const name of old) await rm(join(directory, name))
    return old
  } catch (error) {
    throw toFileError(error, 'old backups cannot be removed')
  }
}
