/** What moving the private cluster to another major version of PostgreSQL takes, and whether it can be done here. */
import { readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { clusterMajor, findBinaries, findMajors, type VersionedRoot } from './binaries.js'
import { exists } from './cluster-status.js'
import { formerPlace } from './exchange-data.js'
import { clusterLayout, readMarker } from './layout.js'

export interface UpgradeOptions {
  readonly directory: string
  /** Major version; default: the newest that is installed. */
  readonly to?: string
  /** A folder with a folder for each major version; default: where distributions put them. */
  readonly versions?: string
}

export interface UpgradePlan {
  readonly from: string
  readonly to: string
  /** Directories of the programs. */
  readonly oldBinaries: string
  readonly newBinaries: string
  readonly dataBytes: number
  readonly freeBytes: number
  /** Where the present data stays. */
  readonly former: string
  readonly steps: readonly string[]
}

/** @throws ERR_SETTINGS without a cluster, without both versions, without room; ERR_ALREADY_EXISTS after an earlier upgrade */
export async function planUpgrade(options: UpgradeOptions): Promise<UpgradePlan> {
  const layout = clusterLayout(options.directory)
  if (!(await readMarker(layout)) || !(await exists(layout.data)))
    throw new DomainError('ERR_SETTINGS', `there is no database in ${options.directory}`)
  const from = clusterMajor(layout.data)
  const roots = rootsOf(options)
  const to = chooseMajor(from, findMajors(roots), options.to)
  const oldBinaries = findBinaries({ major: from, ...roots })
  const newBinaries = findBinaries({ major: to, ...roots })
  const former = formerPlace(layout, from)
  await refuseImpossible({ newBinaries, to, former })
  const dataBytes = await sizeOf(layout.data)
  const { bavail, bsize } = await statfs(layout.directory)
  const freeBytes = bavail * bsize
  refuseSmall(dataBytes, freeBytes)
  const steps = stepsOf({ from, to, former, directory: options.directory })
  return { from, to, oldBinaries, newBinaries, dataBytes, freeBytes, former, steps }
}

function rootsOf({ versions }: UpgradeOptions): { readonly roots?: readonly VersionedRoot[] } {
  return versions === undefined ? {} : { roots: [{ directory: versions, pattern: /^(\d+)$/ }] }
}

function chooseMajor(from: string, installed: readonly string[], wanted?: string): string {
  const newer = installed.filter((major) => Number(major) > Number(from))
  const chosen = wanted ?? newer[0]
  if (chosen !== undefined && newer.includes(chosen)) return chosen
  const found = installed.length === 0 ? 'none' : installed.join(', ')
  throw new DomainError(
    'ERR_SETTINGS',
    wanted === undefined
      ? `PostgreSQL ${from} made this database, and no newer version is installed`
      : `PostgreSQL ${wanted} is not installed, or not newer than ${from}, which made this database`,
    {
      hints: [
        `installed: ${found}`,
        `install the newer version beside it (Debian: postgresql-NN), and keep postgresql-${from} until this is done`,
      ],
    },
  )
}

async function refuseImpossible(o: {
  readonly newBinaries: string
  readonly to: string
  readonly former: string
}): Promise<void> {
  if (!(await exists(join(o.newBinaries, 'pg_upgrade'))))
    throw new DomainError('ERR_SETTINGS', `${o.newBinaries} has no pg_upgrade`, {
      hints: [`install all of PostgreSQL ${o.to} (Red Hat: postgresql${o.to}-server)`],
    })
  if (await exists(o.former))
    throw new DomainError('ERR_ALREADY_EXISTS', `${o.former} is there from an earlier upgrade`, {
      hints: ['remove it when the database has proved itself, or move it away'],
    })
}

/** Copied, not linked: the former data stays usable. A tenth more for what the new version adds. */
function refuseSmall(dataBytes: number, freeBytes: number): void {
  const needed = Math.ceil(dataBytes * 1.1)
  if (freeBytes >= needed) return
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 1024 ** 2)} MiB`
  throw new DomainError(
    'ERR_SETTINGS',
    `the upgrade needs ${mebibytes(needed)} of disk, ${mebibytes(freeBytes)} are free`,
  )
}

async function sizeOf(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (found) => (found.isFile() ? found.size : 0),
        // A file of a running server may go meanwhile.
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function stepsOf(o: {
  readonly from: string
  readonly to: string
  readonly former: string
  readonly directory: string
}): readonly string[] {
  return [
    `stop the database in good order (PostgreSQL ${o.from})`,
    `make an empty one with PostgreSQL ${o.to}, with our settings and those of conf.d`,
    'pg_upgrade --check',
    'pg_upgrade: copy everything',
    `put it in the place of ${join(o.directory, 'data')}, which becomes ${o.former}`,
    `start it with PostgreSQL ${o.to}, check the schema, gather statistics, stop it`,
  ]
}
