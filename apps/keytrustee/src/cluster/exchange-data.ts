/** Puts another data directory in the place of the present one, which stays beside it. */
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './cluster-status.js'
import { syncDirectory } from './files.js'
import type { ClusterLayout } from './layout.js'

/** Followed by the major version that made it. */
const formerPrefix = 'data.postgresql-'

/** @returns where the former one is now */
export async function exchangeData(
  layout: ClusterLayout,
  draft: string,
  formerMajor: string,
): Promise<string> {
  const former = formerPlace(layout, formerMajor)
  await rename(layout.data, former)
  await rename(draft, layout.data)
  await syncDirectory(layout.directory)
  return former
}

/** Where the data of this major version is kept after an upgrade. */
export function formerPlace({ directory }: ClusterLayout, major: string): string {
  return join(directory, `${formerPrefix}${major}`)
}

/** A crash between the two renames leaves no data directory: the former one comes back, and nothing has happened. */
export async function undoHalfExchange(layout: ClusterLayout): Promise<void> {
  if (await exists(layout.data)) return
  const names = await readdir(layout.directory).catch(() => [])
  const newest = names
    .filter((name) => name.startsWith(formerPrefix))
    .sort((a, b) => Number(b.slice(formerPrefix.length)) - Number(a.slice(formerPrefix.length)))[0]
  if (newest === undefined) return
  await rename(join(layout.directory, newest), layout.data)
  await syncDirectory(layout.directory)
}
