/** Reading and making private files: absent is a value, everything else an error that names the file. */
import { lstat, mkdir, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { syncDirectory, systemCode, toFileError } from '@keyhsm/service'

/** The text of a file, undefined when there is none. @throws ERR_NOT_ALLOWED and others of `toFileError`. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  return (await readBytesIfThere(path))?.toString('utf8')
}

async function readBytesIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw toFileError(error, `cannot read ${path}`)
  }
}

/**
 * The text of a file that holds a secret.
 * @throws ERR_SETTINGS when others than its owner can read it.
 */
export async function readSecretFileIfThere(path: string): Promise<string | undefined> {
  return (await readSecretBytesIfThere(path))?.toString('utf8')
}

/** As {@link readSecretFileIfThere}, for what is no text. */
export async function readSecretBytesIfThere(path: string): Promise<Buffer | undefined> {
  const bytes = await readBytesIfThere(path)
  if (bytes === undefined) return undefined
  const { mode } = await lstat(path)
  if ((mode & 0o077) === 0) return bytes
  throw new DomainError('ERR_SETTINGS', `${path} can be read by other users`, {
    hints: [`chmod 600 ${path}`],
  })
}

/** Makes a directory for our user alone, parents included. @throws ERR_CONFLICT when a file of that name is in the way. */
export async function makePrivateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    if (systemCode(error) === 'EEXIST') throw notOurs(path)
    throw toFileError(error, `cannot make ${path}`)
  }
}

/** Removes a file for good. @returns false when there was none. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await rm(path)
    await syncDirectory(dirname(path))
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw toFileError(error, `cannot remove ${path}`)
  }
}

/** An old product kept a file `keystore` where we keep a folder; what we did not make we do not move. */
function notOurs(path: string): DomainError {
  return new DomainError(
    'ERR_CONFLICT',
    `${path} is a file of another program; a folder is needed`,
    {
      hints: ['move it away, or give --home (or KEYHSM_HOME) another folder; nothing was changed'],
    },
  )
}
