/** Whether the server can do its work, part by part, in lines for the operator. */
import type { ReplyOf, statusRoute } from '@keyhsm/protocol'
import type { Audit } from '@keyhsm/service'
import type { PartitionDescription } from '@keyhsm/client'
import { toDomainError } from '@keyhsm/core'
import { pinsOf } from '../sealing/follow-key-hsm.js'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import type { Store } from '../store/store.js'

type Status = ReplyOf<typeof statusRoute>
export type Parts = Status['parts']
export type PartHealth = Parts['database']

export interface HealthSources {
  readonly store: Pick<Store, 'probe' | 'findJoin'>
  readonly audit: Pick<Audit, 'state'>
  link(): KeyHsmLink | undefined
  readonly passThrough: boolean
  /** Told of each answer of the joined Key HSM. */
  readonly onDescribed?: (link: KeyHsmLink, partition: PartitionDescription) => Promise<void>
}

/** Looks at every part now; the Key HSM is asked for what it is. */
export async function readParts(sources: HealthSources): Promise<Parts> {
  const [database, keyHsm] = await Promise.all([readDatabase(sources), readKeyHsm(sources)])
  return { database, audit: sources.audit.state(), keyHsm }
}

export function isHealthy(parts: Parts): boolean {
  return Object.values(parts).every(({ healthy }) => healthy)
}

/** `database: the database is not available; key hsm: …`, or `healthy`. */
export function describeParts(parts: Parts): string {
  const names = { database: 'database', audit: 'audit', keyHsm: 'key hsm' } as const
  const faults = Object.entries(names)
    .map(([key, name]) => ({ name, part: parts[key as keyof Parts] }))
    .filter(({ part }) => !part.healthy)
  return faults.map(({ name, part }) => `${name}: ${part.detail}`).join('; ') || 'healthy'
}

async function readDatabase(sources: HealthSources): Promise<PartHealth> {
  const { store } = sources
  const { state, detail } = await store.probe()
  if (state !== 'ready') return { healthy: false, detail }
  const fault = await findJoinFault(store, sources.link()).catch(
    (error: unknown) => toDomainError(error).message,
  )
  return fault === undefined ? { healthy: true, detail } : { healthy: false, detail: fault }
}

/** A database that says otherwise than this server's own file was restored from elsewhere, or changed by hand. */
async function findJoinFault(
  store: Pick<Store, 'findJoin'>,
  link: KeyHsmLink | undefined,
): Promise<string | undefined> {
  const row = await store.findJoin()
  if (!row && !link) return undefined
  if (!link) return 'this database belongs to a joined server: run ktadmin keyhsm'
  const { canary, domain, realm } = link.joined
  const same = row?.canary === canary && row.domain === domain && row.realm === realm
  return same ? undefined : 'this database belongs to another Key HSM partition than this server'
}

async function readKeyHsm(sources: HealthSources): Promise<PartHealth> {
  const { passThrough } = sources
  const joined = sources.link()
  if (!joined) {
    const detail = passThrough
      ? 'not joined, deposits pass through unsealed'
      : 'not joined: run ktadmin keyhsm'
    return { healthy: passThrough, detail }
  }
  try {
    const partition = await joined.calls.describe(AbortSignal.timeout(2_000), pinsOf(joined.joined))
    const own = partition.backends.find(({ canary }) => canary === joined.joined.canary)
    if (!own)
      return { healthy: false, detail: 'wrong partition: it shows another canary than at joining' }
    await sources.onDescribed?.(joined, partition)
    const detail = `${own.device ?? own.name}, scope ${partition.scope}, ${partition.kind}`
    return { healthy: own.state === 'ready', detail: `${own.state}: ${detail}` }
  } catch (error) {
    const { message, hints } = toDomainError(error)
    return { healthy: false, detail: [message, ...hints].join('; ') }
  }
}
