/** Secrets that systemd hands to a service: in memory, for its user alone, gone with it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode, toFileError } from './file-errors.js'

/**
 * The text of the credential `name` (`LoadCredential=`, `SetCredentialEncrypted=`) without its line end; undefined outside of
 * systemd, and where the unit gives none.
 * @throws what `toFileError` makes of one that is there and cannot be read. @see systemd.exec(5), CREDENTIALS
 */
export async function readSystemdCredential(
  name: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  const folder = env['CREDENTIALS_DIRECTORY']
  if (!folder) return undefined
  try {
    return (await readFile(join(folder, name), 'utf8')).trimEnd() || undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw toFileError(error, `cannot read the systemd credential ${name}`)
  }
}
