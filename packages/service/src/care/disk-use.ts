/** How full the file systems of a service are. */
import { statfs } from 'node:fs/promises'
import type { Warning } from './warning.js'

/** Part of a file system from which on it is said. */
export const fullWarningAt = 0.8

/** A folder that grows, by the word for what is in it. */
export interface WatchedFolder {
  /** `audit`, `log`, `database`: its label in the metrics too. */
  readonly what: string
  readonly path: string
  /** The command that makes room. */
  readonly cure: string
}

export interface DiskUse {
  /** Used part of what a service may use, 0 to 1; blocks reserved for root are not counted as free. */
  readonly used: number
  readonly freeBytes: number
}

/** Undefined where the folder does not exist or cannot be asked about. */
export async function readDiskUse(path: string): Promise<DiskUse | undefined> {
  try {
    const { blocks, bfree, bavail, bsize } = await statfs(path)
    const taken = blocks - bfree
    const total = taken + bavail
    return { used: total === 0 ? 0 : taken / total, freeBytes: bavail * bsize }
  } catch {
    return undefined
  }
}

/** One warning for each folder whose file system is fuller than {@link fullWarningAt}. */
export async function diskWarnings(
  folders: readonly WatchedFolder[],
  read: typeof readDiskUse = readDiskUse,
): Promise<readonly Warning[]> {
  const found = await Promise.all(
    folders.map(async (folder) => warn(folder, await read(folder.path))),
  )
  return found.flat()
}

function warn({ what, cure }: WatchedFolder, use: DiskUse | undefined): readonly Warning[] {
  if (!use || use.used < fullWarningAt) return []
  const percent = Math.floor(use.used * 100)
  const free = Math.floor(use.freeBytes / 1024 ** 2)
  const text = `the disk of the ${what} is ${percent} % full, ${free} MiB are left: ${cure}`
  return [{ key: `disk ${what}`, text, details: { percent } }]
}
