/** A workshop over a software token with a real audit in a temporary directory. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newUuid, parseHandle, parseRealm, parseUuid, systemClock } from '@keyhsm/core'
import type { SealContext } from '@keyhsm/envelope'
import type { Hsm } from '@keyhsm/hsm'
import { type Audit, openAudit } from '@keyhsm/service'
import { onTestFinished } from 'vitest'
import type { Caller, PlacedWorkshop, SealSettings, Workshop } from '../src/operations/caller.js'
import { UsedRequests } from '../src/operations/check-approval.js'
import { RealmRate } from '../src/operations/realm-rate.js'
import type { Partition } from '../src/partition/partition.js'
import type { SealRequest } from '../src/operations/seal-deposit.js'
import { makePartition, partitionsOf, type TestPartitionOptions } from './soft-token.js'

export const caller: Caller = { actor: 'service test', realm: parseRealm('prod') }
export const organisation = parseUuid('0f8fad5b-d9cb-469f-a165-70867728950e')

export interface TestWorkshop extends PlacedWorkshop {
  /** The audit's entries so far, as `event operation outcome reason`. */
  readonly entries: () => Promise<string[]>
  readonly warnings: string[]
}

export async function makeWorkshop(
  options: TestPartitionOptions & { readonly seal?: Partial<SealSettings> } = {},
): Promise<TestWorkshop> {
  const partition = await makePartition(options)
  const directory = await mkdtemp(join(tmpdir(), 'keyhsm-audit-'))
  const audit = await openAudit({ directory, service: 'keyhsm' })
  onTestFinished(async () => {
    await audit.close()
    await rm(directory, { recursive: true, force: true })
  })
  const warnings: string[] = []
  const note = (_fields: unknown, message: string) => void warnings.push(message)
  return {
    partition,
    partitions: partitionsOf(partition),
    audit,
    clock: options.clock ?? systemClock,
    log: { info: note, warn: note, error: note },
    settings: { scope: 'deposit', maxContentBytes: 1024, ...options.seal },
    openRate: new RealmRate(0, { clock: systemClock }),
    resealRate: new RealmRate(0, { clock: systemClock }),
    revokeRate: new RealmRate(0, { clock: systemClock }),
    usedRequests: new UsedRequests(options.clock ?? systemClock),
    entries: () => readEntries(directory),
    warnings,
  }
}

/** The same workshop over a device with some verbs replaced. */
export function withVerbs<Shop extends PlacedWorkshop>(workshop: Shop, verbs: Partial<Hsm>): Shop {
  const hsm = replace(workshop.partition.hsm, verbs)
  return withPartition(workshop, replace(workshop.partition, { hsm }))
}

/** The same workshop over another partition. */
export function withPartition<Shop extends PlacedWorkshop>(
  workshop: Shop,
  partition: Partition,
): Shop {
  return { ...workshop, partition, partitions: partitionsOf(partition) }
}

export function withAudit<Shop extends Workshop>(workshop: Shop, append: Audit['append']): Shop {
  return { ...workshop, audit: replace(workshop.audit, { append }) }
}

export function newContext(handle = 'key1'): SealContext {
  return { organisation, deposit: newUuid(), handle: parseHandle(handle), revision: 1 }
}

export function sealRequest(
  { partition }: PlacedWorkshop,
  text: string,
  more: Partial<SealRequest> = {},
): SealRequest {
  return {
    requestId: newUuid(),
    context: newContext(),
    content: Buffer.from(text),
    canary: partition.keys.canaryFingerprint,
    ...more,
  }
}

/** `this` of every method stays the original, because private fields live there. */
function replace<Target extends object>(target: Target, parts: Partial<Target>): Target {
  return new Proxy(target, {
    get(original, name) {
      if (Object.hasOwn(parts, name)) return parts[name as keyof Target]
      const value: unknown = Reflect.get(original, name, original)
      return typeof value === 'function' ? value.bind(original) : value
    },
  })
}

async function readEntries(directory: string): Promise<string[]> {
  const files = (await readdir(directory)).filter((name) => /^audit.*\.log$|jsonl$/.test(name))
  const texts = await Promise.all(
    files.sort().map((name) => readFile(join(directory, name), 'utf8')),
  )
  return texts
    .join('')
    .split('\n')
    .filter((line) => line.includes('"event"'))
    .map((line) => JSON.parse(line) as Record<string, string>)
    .map((entry) => [entry['event'], entry['operation'], entry['outcome'], entry['reason']])
    .map((parts) => parts.filter((part) => part !== undefined).join(' '))
}
