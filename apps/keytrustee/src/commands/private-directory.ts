import type { Input } from '@keyhsm/command-line'
import { DomainError } from '@keyhsm/core'
import { pathsIn } from '../paths.js'
import { readSettings } from '../settings.js'

/** Where the private database is. @throws ERR_SETTINGS when the settings name an external database: that is somebody else's to start. */
export async function privateDirectory(input: Input): Promise<string> {
  const paths = pathsIn(input.home.keytrustee)
  const { databaseUrl } = await readSettings(paths)
  if (databaseUrl === undefined) return paths.database
  throw new DomainError('ERR_SETTINGS', 'the settings name an external database', {
    hints: ['remove keytrustee.database.url to use the private one'],
  })
}
