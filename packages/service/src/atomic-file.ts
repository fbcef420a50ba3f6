/** Replaces files so that a reader, or a crash at any point, sees either the whole old content or the whole new one. */
import { randomBytes } from 'node:crypto'
import { constants, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { toFileError } from './file-errors.js'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants

/** Makes a rename, a link or a new file in `directory` survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function writeNewFile(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const handle = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  try {
    // The creation mode is cut by the umask; what the caller asked for is not.
    await handle.chmod(mode)
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Writes `data` to a temporary file beside `path`, syncs it, renames it over `path` and syncs the directory. When it
 * fails the old file is unchanged and the temporary one is gone. A symbolic link at `path` is replaced, not followed.
 * @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND (directory), ERR_UNAVAILABLE (disk full); the path is in the cause only.
 */
export async function writeFileAtomically(
  path: string,
  data: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    await writeNewFile(temporary, data, mode)
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw toFileError(error, `cannot write ${basename(path)}`)
  }
}
