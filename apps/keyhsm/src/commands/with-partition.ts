/** How commands work alone, when the service does not run: they connect to the HSM themselves. */
import { systemClock } from '@keyhsm/core'
import type { BackendConfiguration } from '../backend-configuration.js'
import { type Configuration, readConfiguration, withoutPins } from '../configuration.js'
import { openPartition } from '../partition/open-partition.js'
import type { Partition } from '../partition/partition.js'
import { noSuchBackend } from '../partition/partitions.js'
import type { Paths } from '../paths.js'
import { quietLog } from './quiet-log.js'

/** Lends the partition of one backend of this home; the default one's unless a name is given. @throws as `openPartition`. */
export async function withPartition<Result>(
  paths: Paths,
  use: (partition: Partition) => Promise<Result>,
  name?: string,
): Promise<Result> {
  const configuration = await readConfiguration(paths)
  try {
    const backend = findBackend(configuration, name)
    return await withPartitionOf(paths, backend, use)
  } finally {
    withoutPins(configuration)
  }
}

/** The partitions that could be opened, and the names of backends whose could not. */
export interface OpenPartitions {
  readonly partitions: readonly { readonly backend: string; readonly partition: Partition }[]
  readonly unreachable: readonly string[]
}

/**
 * Lends the partitions of every backend of this home, or of the one with the name.
 * @throws as `openPartition` when none can be opened
 */
export async function withPartitions<Result>(
  paths: Paths,
  use: (opened: OpenPartitions) => Promise<Result>,
  name?: string,
): Promise<Result> {
  const configuration = await readConfiguration(paths)
  const partitions: { readonly backend: string; readonly partition: Partition }[] = []
  const unreachable: string[] = []
  try {
    const backends =
      name === undefined ? configuration.backends : [findBackend(configuration, name)]
    for (const backend of backends) {
      const partition = await openQuietly(paths, backend).catch((error: unknown) => {
        const last = backend === backends.at(-1)
        if (last && partitions.length === 0) throw error
        return undefined
      })
      if (partition) partitions.push({ backend: backend.name, partition })
      else unreachable.push(backend.name)
    }
    return await use({ partitions, unreachable })
  } finally {
    withoutPins(configuration)
    await Promise.all(partitions.map(({ partition }) => partition.close()))
  }
}

/** Lends the partition of this backend. @throws as `openPartition`. */
export async function withPartitionOf<Result>(
  paths: Paths,
  configuration: BackendConfiguration,
  use: (partition: Partition) => Promise<Result>,
): Promise<Result> {
  const partition = await openQuietly(paths, configuration)
  try {
    return await use(partition)
  } finally {
    await partition.close()
  }
}

function openQuietly(paths: Paths, configuration: BackendConfiguration): Promise<Partition> {
  return openPartition({ paths, configuration, log: quietLog, clock: systemClock })
}

/** @throws ERR_NOT_FOUND when no backend has the name. */
function findBackend({ backends, defaultBackend }: Configuration, name = defaultBackend) {
  const found = backends.find((one) => one.name === name)
  if (found) return found
  throw noSuchBackend(name, backends)
}
