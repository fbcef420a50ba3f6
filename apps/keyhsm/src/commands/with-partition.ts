/** How commands work alone, when the service does not run: they connect to the HSM themselves. */
import { systemClock } from '@keyhsm/core'
import { readConfiguration } from '../configuration.js'
import { openPartition } from '../partition/open-partition.js'
import type { Partition } from '../partition/partition.js'
import type { Paths } from '../paths.js'
import { quietLog } from './quiet-log.js'

/** Lends the partition of this home. @throws as `openPartition`. */
export async function withPartition<Result>(
  paths: Paths,
  use: (partition: Partition) => Promise<Result>,
): Promise<Result> {
  const configuration = await readConfiguration(paths)
  try {
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
  } finally {
    configuration.pin.wipe()
  }
}
