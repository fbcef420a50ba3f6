/** A software token in a temporary directory, and a prepared partition on it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '@keyhsm/core'
import { connectSoftToken, type Hsm, initialiseSoftToken } from '@keyhsm/hsm'
import { onTestFinished } from 'vitest'
import { makePartitionKeys } from '../src/partition/make-partition-keys.js'
import { type KeySettings, Partition } from '../src/partition/partition.js'
import { type Backend, Partitions } from '../src/partition/partitions.js'

export const keySettings: KeySettings = {
  kind: 'ec-p256',
  limit: undefined,
  maxAgeMs: 365 * 86400e3,
}

/** An empty token, as many connections to it as are asked for; removed when the test ends. */
export async function makeToken(connections = 1): Promise<Hsm[]> {
  const directory = await mkdtemp(join(tmpdir(), 'keyhsm-token-'))
  const token = { directory: join(directory, 'token'), label: 'test', pin: '1234' }
  await initialiseSoftToken({ ...token, scryptCost: 16 })
  const hsms: Hsm[] = []
  for (let count = 0; count < connections; count += 1) hsms.push(await connectSoftToken(token))
  onTestFinished(async () => {
    for (const hsm of hsms) await hsm.close()
    await rm(directory, { recursive: true, force: true })
  })
  return hsms
}

export interface TestPartitionOptions {
  readonly settings?: Partial<KeySettings>
  readonly clock?: Clock
}

/** A prepared partition, seen through `connections` Key HSMs. */
export async function makePartitions(
  connections = 1,
  { settings, clock = systemClock }: TestPartitionOptions = {},
): Promise<Partition[]> {
  const hsms = await makeToken(connections)
  const made = await makePartitionKeys(hsms[0]!, { kind: 'ec-p256', settleMs: 0, clock })
  made.keys.kAuth.wipe()
  const options = { keySettings: { ...keySettings, ...settings }, clock }
  return await Promise.all(hsms.map((hsm) => Partition.connect(hsm, options)))
}

export async function makePartition(options: TestPartitionOptions = {}): Promise<Partition> {
  const [partition] = await makePartitions(1, options)
  return partition!
}

/** A partition that a test connected, as a backend. */
export function backendOf(partition: Partition, name = 'default'): Backend {
  return {
    name,
    device: { hardware: 'soft-token' },
    domain: partition.keys.domain,
    partition,
    health: (deadlineMs) => partition.health(deadlineMs),
  }
}

/** These partitions, the first one the default. */
export function partitionsOf(first: Partition, ...others: Partition[]): Partitions {
  const named = others.map((partition, at) => backendOf(partition, `other${at + 1}`))
  return new Partitions([backendOf(first), ...named], 'default')
}
