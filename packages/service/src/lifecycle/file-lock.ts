/**
 * An exclusive lock that the kernel takes back when its holder dies, however it dies: no stale lock to judge, no race
 * to take one over. Node has no flock(2), so `flock(1)` of util-linux takes it on a descriptor that it inherits: the
 * lock belongs to the open file, which stays ours after the tool has gone.
 */
import { spawn } from 'node:child_process'
import { type FileHandle, constants, open, stat } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import { toFileError } from '../file-errors.js'

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants

/** Exit status of `flock --conflict-exit-code`, chosen apart from the tool's own statuses. */
const conflictStatus = 200

function runFlock(descriptor: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const tool = spawn('flock', ['-x', '-n', '-E', String(conflictStatus), '3'], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
      env: { PATH: '/usr/bin:/bin' },
    })
    tool.on('error', reject)
    tool.on('exit', (status) => resolve(status ?? -1))
  })
}

async function lockOpened(handle: FileHandle): Promise<boolean> {
  const status = await runFlock(handle.fd).catch((error: unknown) => {
    throw new DomainError('ERR_UNAVAILABLE', 'cannot run flock', {
      cause: error,
      hints: ['Install the package util-linux.'],
    })
  })
  if (status !== 0 && status !== conflictStatus) {
    throw new DomainError('ERR_UNAVAILABLE', `flock ended with status ${status}`)
  }
  return status === 0
}

/** A file removed between our open and our lock would be a lock nobody else sees. */
async function isStillAt(path: string, handle: FileHandle): Promise<boolean> {
  const [named, opened] = await Promise.all([stat(path).catch(() => undefined), handle.stat()])
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev
}

/**
 * Opens `path` (made with mode 0600 when absent) and locks it. The lock lasts until the handle is closed or this
 * process ends; children do not inherit it. Undefined when another open file holds the lock.
 * @throws ERR_NOT_ALLOWED, ERR_NOT_FOUND, ERR_UNAVAILABLE as the file system answers; `what` names the file in words.
 */
export async function lockFile(path: string, what: string): Promise<FileHandle | undefined> {
  for (;;) {
    const handle = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600).catch(
      (error: unknown) => {
        throw toFileError(error, what)
      },
    )
    try {
      if (!(await lockOpened(handle))) {
        await handle.close()
        return undefined
      }
      if (await isStillAt(path, handle)) return handle
      await handle.close()
    } catch (error) {
      await handle.close().catch(() => undefined)
      throw error
    }
  }
}
