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

/** Lends the partition of this backend. @throws as `openPartition`. */
export async function withPartitionOf<Result>(
  paths: Paths,
  configuration: BackendConfiguration,
  use: (partition: Partition) => Promise<Result>,
): Promise<Result> {
  const partition = await openPartition({
    paths,
    configuration,
    log: quietLog,
    clock: systemClock,
  })
  try {
    return await use(partition)
  } finally {
    await partition.close()
  }
}

/** @throws ERR_NOT_FOUND when no backend has the name. */
function findBackend({ backends, defaultBackend }: Configuration, name = defaultBackend) {
  const found = backends.find((one) => one.name === name)
  if (found) return found
  throw noSuchBackend(name, backends)
}
