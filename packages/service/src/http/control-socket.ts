/** Where a control socket may stand: a directory that nobody else can enter, and no living server on it already. */
import { lstat, mkdir, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { DomainError } from '@keyhsm/core'

/** sun_path of Linux holds 108 bytes with the ending NUL, unix(7). */
const maxSocketPathBytes = 107

/**
 * Makes the place ready to listen on: the directory is made with mode 0700 or checked to be ours alone, and the socket of a dead
 * server is removed. Call while holding the service's pid file: two starts at once could each take the other's socket for dead.
 * @throws ERR_SETTINGS when others can enter the directory, something else stands there, or the path is too long;
 * ERR_UNAVAILABLE when a living server has it.
 */
export async function claimSocketPath(socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > maxSocketPathBytes) {
    throw refused(socketPath, `is longer than ${maxSocketPathBytes} bytes`)
  }
  await ensurePrivateDirectory(dirname(socketPath))
  const standing = await lstat(socketPath).catch(absent)
  if (standing === undefined) return
  if (!standing.isSocket()) throw refused(socketPath, 'is something else than a socket')
  if (await answers(socketPath)) {
    throw new DomainError('ERR_UNAVAILABLE', `another server listens on ${socketPath}`, {
      hints: ['stop it first, or use another home'],
    })
  }
  await unlink(socketPath).catch(absent)
}

async function ensurePrivateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const found = await lstat(directory)
  if (!found.isDirectory()) throw refused(directory, 'is not a directory')
  if (found.uid !== process.getuid?.()) throw refused(directory, 'belongs to another user')
  if ((found.mode & 0o077) !== 0) {
    throw refused(directory, 'can be entered by other users', `chmod 700 ${directory}`)
  }
}

/** True when somebody accepts connections there, or when that cannot be told. */
function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

function refused(path: string, rule: string, hint?: string): DomainError {
  const hints = hint === undefined ? [] : [hint]
  return new DomainError('ERR_SETTINGS', `${path} ${rule}`, { hints })
}
