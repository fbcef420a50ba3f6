/** Files of the product that had this place before: nothing of ours has these names. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import type { Paths } from './paths.js'

/** Its key rings, where the old product kept the server's and the clients' keys. */
const keyRings = ['secring.gpg', 'pubring.gpg', 'trustdb.gpg'] as const

/** Paths that are there; empty for a home that is new or ours. */
export async function findOldProduct(paths: Pick<Paths, 'root' | 'database'>): Promise<string[]> {
  const rings = keyRings.map((name) => join(paths.root, name))
  const database = await isForeignDatabase(paths.database)
  const found = await Promise.all(rings.map(exists))
  return [...rings.filter((_, i) => found[i]), ...(database ? [paths.database] : [])]
}

/** @throws ERR_ALREADY_EXISTS naming what is there; nothing was changed. */
export async function refuseOldProduct(paths: Pick<Paths, 'root' | 'database'>): Promise<void> {
  const found = await findOldProduct(paths)
  if (found.length === 0) return
  throw new DomainError('ERR_ALREADY_EXISTS', 'another product’s files are in this place', {
    hints: [
      ...found.map((path) => `found ${path}`),
      'nothing was changed: move them away, or choose another place with --home DIR',
    ],
  })
}

/** A database that is not marked as ours, and not empty. */
async function isForeignDatabase(folder: string): Promise<boolean> {
  const hasCluster =
    (await exists(join(folder, 'PG_VERSION'))) || (await exists(join(folder, 'base')))
  if (!hasCluster) return false
  const marker = await readFile(join(folder, 'cluster.json'), 'utf8').catch(() => undefined)
  return marker === undefined
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
