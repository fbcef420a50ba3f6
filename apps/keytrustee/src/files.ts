/** Reading the server's own files: absent is an answer, everything else that goes wrong names the file. */
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError } from '@keyhsm/core'

/** The file's text, or undefined when there is none. @throws ERR_SETTINGS when it cannot be read. */
export async function readOptionalText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new DomainError('ERR_SETTINGS', `cannot read ${basename(path)}`, { cause: error })
  }
}

/** @throws ERR_SETTINGS with a hint when it is missing. */
export async function readText(path: string, hint = 'run: ktadmin init'): Promise<string> {
  const text = await readOptionalText(path)
  if (text !== undefined) return text
  throw new DomainError('ERR_SETTINGS', `${basename(path)} is missing`, { hints: [hint] })
}

/**
 * The text of a file that only its owner may read.
 * @throws ERR_SETTINGS when it is missing, or others may read or write it.
 */
export async function readPrivateText(path: string, hint?: string): Promise<string> {
  const text = await readText(path, hint)
  const { mode } = await stat(path)
  if ((mode & 0o077) !== 0)
    throw new DomainError('ERR_SETTINGS', `${basename(path)} may be read by others`, {
      hints: [`chmod 600 ${path}`],
    })
  return text
}
