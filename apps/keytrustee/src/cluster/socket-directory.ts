/** A directory for the socket that only its owner can enter, with a path short enough for the kernel. */
import { chmod, lstat, mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { isAbsent } from './files.js'
import type { ClusterLayout, ClusterMarker } from './layout.js'
import { clusterPort } from './layout.js'

/** `sun_path` holds 108 bytes with the final zero. @see unix(7) */
const maxSocketPathBytes = 107

export function socketPath(directory: string): string {
  return join(directory, `.s.PGSQL.${clusterPort}`)
}

/** PostgreSQL writes a lock file beside the socket, whose name is longer but no socket. */
export function fits(directory: string): boolean {
  return Buffer.byteLength(socketPath(directory)) <= maxSocketPathBytes
}

/**
 * The directory to use for a start: `run/` of the cluster, or, when that is too long, the remembered one or a fresh one
 * under `XDG_RUNTIME_DIR` or the temporary directory. A remembered directory that is gone (a reboot empties /tmp) or that
 * somebody else put in its place is not used.
 */
export async function prepareSocketDirectory(
  layout: ClusterLayout,
  marker: ClusterMarker,
  bases: readonly (string | undefined)[] = [process.env['XDG_RUNTIME_DIR'], '/tmp'],
): Promise<string> {
  if (fits(layout.run)) {
    await mkdir(layout.run, { recursive: true, mode: 0o700 })
    await chmod(layout.run, 0o700)
    return layout.run
  }
  const remembered = marker.socketDirectory
  if (remembered !== undefined && fits(remembered) && (await isPrivate(remembered)))
    return remembered
  return makeElsewhere(bases)
}

async function makeElsewhere(bases: readonly (string | undefined)[]): Promise<string> {
  for (const base of bases) {
    if (base === undefined || !fits(join(base, 'ktdb-XXXXXX'))) continue
    const made = await mkdtemp(join(base, 'ktdb-')).catch(() => undefined)
    if (made !== undefined) return made
  }
  throw new DomainError('ERR_SETTINGS', 'no directory is short enough for the database socket', {
    hints: ['use a shorter home, or set XDG_RUNTIME_DIR to a short directory of this user'],
  })
}

async function isPrivate(directory: string): Promise<boolean> {
  try {
    const stat = await lstat(directory)
    return stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0
  } catch (error) {
    if (isAbsent(error)) return false
    throw error
  }
}
