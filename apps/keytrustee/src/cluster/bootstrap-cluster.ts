import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename } from 'node:path'
import { DomainError } from '@keyhsm/core'
import { findBinaries } from './binaries.js'
import { exists } from './cluster-status.js'
import { syncDirectory } from './files.js'
import { makeDraft, removeUnfinished } from './drafts.js'
import { initialiseData } from './initialise-data.js'
import { type ClusterLayout, clusterLayout, readMarker, writeMarker } from './layout.js'
import { clusterOwner } from './owner.js'
import { type RunningCluster, startCluster } from './start-cluster.js'
import { undoHalfExchange } from './exchange-data.js'

export interface BootstrapOptions {
  /** Made if it is not there, in a directory that is. Must be empty, or hold an earlier, perhaps unfinished, cluster of ours. */
  readonly directory: string
  /** Directory of `initdb` and `postgres`; default: the newest that the distribution installed. */
  readonly binaries?: string
}

/**
 * Makes the private cluster and leaves it running, with its database and schema. Does nothing twice: on a finished
 * cluster it is `startCluster`. initdb works in a directory of its own that becomes `data` by a rename, so a crash
 * half-way leaves something that the next call recognises as ours and removes.
 *
 * @throws ERR_SETTINGS as root, without PostgreSQL, or when the directory holds something else
 */
export async function bootstrapCluster(options: BootstrapOptions): Promise<RunningCluster> {
  const owner = clusterOwner()
  const layout = clusterLayout(options.directory)
  const binaries = findBinaries(
    options.binaries === undefined ? {} : { binaries: options.binaries },
  )
  await claimDirectory(layout)
  await undoHalfExchange(layout)
  if (!(await exists(layout.data))) {
    await removeUnfinished(layout)
    await makeData(layout, binaries, owner)
  }
  return startCluster(options)
}

async function claimDirectory(layout: ClusterLayout): Promise<void> {
  // Not recursive: observed on Node 20, a recursive mkdir in /proc never returns.
  await mkdir(layout.directory, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') refuseDirectory(layout, error)
  })
  if (await readMarker(layout)) return
  const entries = await readdir(layout.directory).catch((error: NodeJS.ErrnoException) =>
    refuseDirectory(layout, error),
  )
  if (entries.length > 0)
    throw new DomainError(
      'ERR_SETTINGS',
      `${layout.directory} is not empty and not a cluster of ours`,
      {
        hints: ['name an empty directory'],
      },
    )
  await chmod(layout.directory, 0o700)
  await writeMarker(layout, { format: 1, madeBy: 'keytrustee' })
}

function refuseDirectory(layout: ClusterLayout, error: NodeJS.ErrnoException): never {
  throw new DomainError('ERR_SETTINGS', `${layout.directory} cannot be used (${error.code})`, {
    cause: error,
  })
}

async function makeData(layout: ClusterLayout, binaries: string, owner: string): Promise<void> {
  await mkdir(layout.log, { recursive: true, mode: 0o700 })
  const draft = await makeDraft(layout)
  try {
    await initialiseData(draft, { binaries, owner, log: layout.log })
    await rename(draft, layout.data).catch(unlessDone(layout))
    await syncDirectory(layout.directory)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

/** Two at once: the second finds the first's `data` in its way, and uses it. */
function unlessDone(layout: ClusterLayout): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST')
      throw new DomainError(
        'ERR_SETTINGS',
        `${basename(layout.data)} cannot be made (${error.code})`,
        {
          cause: error,
        },
      )
  }
}
