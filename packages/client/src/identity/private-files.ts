/** Files of a client: 0600 in a folder of 0700, written so that a crash leaves the old or the new one, never half of it. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'

/** Writes `data` to `path`, replacing what is there. */
export async function writePrivateFile(path: string, data: string | Uint8Array): Promise<void> {
  await viaTemporaryFile(path, data, (temporary) => rename(temporary, path))
}

/** As {@link writePrivateFile}, but an existing file stays as it is. @returns whether it was written. */
export async function createPrivateFile(path: string, data: string | Uint8Array): Promise<boolean> {
  let made = true
  await viaTemporaryFile(path, data, async (temporary) => {
    try {
      await link(temporary, path)
    } catch (error) {
      if (errno(error) !== 'EEXIST') throw error
      made = false
    }
    await unlink(temporary)
  })
  return made
}

async function viaTemporaryFile(
  path: string,
  data: string | Uint8Array,
  publish: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(data)
    await file.sync()
    await file.close()
    await publish(temporary)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Makes the folder with mode 0700. @throws ERR_SETTINGS when it exists and others may enter it. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new DomainError('ERR_SETTINGS', `cannot make the folder ${path}`, { cause: error })
  }
  if (((await stat(path)).mode & 0o077) !== 0)
    throw new DomainError('ERR_SETTINGS', `the folder ${path} is open to others`, {
      hints: [`run: chmod 700 ${path}`],
    })
}

/** The text of a private file, undefined when there is none. @throws ERR_SETTINGS when others may read it. */
export async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path)
    if ((mode & 0o077) !== 0)
      throw new DomainError('ERR_SETTINGS', `the file ${path} is open to others`, {
        hints: [`run: chmod 600 ${path}`],
      })
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof DomainError) throw error
    if (errno(error) === 'ENOENT') return undefined
    throw new DomainError('ERR_SETTINGS', `the file ${path} cannot be read`, { cause: error })
  }
}

function errno(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
