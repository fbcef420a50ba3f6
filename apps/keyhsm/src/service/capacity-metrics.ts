import type { Metrics } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'

/** Value of a gauge whose limit nobody names. */
const unknown = Number.NaN

/** How full the device is, as the last look saw it: reading metrics never asks the device. */
export function observeCapacity(metrics: Metrics, partition: Partition): void {
  const state = () => partition.capacity.state()
  const gauges: readonly (readonly [string, string, () => number])[] = [
    ['hsm_keys', 'HSM keys in the partition', () => state().keys],
    [
      'hsm_key_limit',
      'Most HSM keys: the setting, else what the device says',
      () => state().limit ?? unknown,
    ],
    [
      'hsm_memory_bytes',
      'Room for keys in the device, where it tells',
      () => state().memory?.totalBytes ?? unknown,
    ],
    ['hsm_memory_free_bytes', 'Of that, what is free', () => state().memory?.freeBytes ?? unknown],
    [
      'hsm_full',
      '1 when no new HSM keys are made for lack of room',
      () => Number(state().level === 'full'),
    ],
    ['hsm_spare_keys', 'HSM keys made ahead', () => partition.pool.state().ready],
  ]
  for (const [name, help, read] of gauges) metrics.gauge(name, help, read)
}
