/** This realm's HSM keys in every HSM of the Key HSM that this server is joined to. */
import type { HsmKeyEntry, PartitionDescription } from '@keyhsm/client'
import { DomainError, type Fingerprint, hasCode } from '@keyhsm/core'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { translate } from '../sealing/key-hsm-sealer.js'

/** What listing needs of the link. */
export interface ListingLink {
  readonly calls: Pick<KeyHsmLink['calls'], 'listHsmKeys' | 'describe'>
}

/** A key with the place where it is. */
export interface PlacedKey extends HsmKeyEntry {
  /** Name of the backend: for people. */
  readonly backend: string
  /** Names the partition in calls. */
  readonly canary: Fingerprint
}

export interface RealmKeys {
  /** In the order of their ids. */
  readonly keys: readonly PlacedKey[]
  /** Names of backends that cannot be asked now: their keys are missing here. */
  readonly unreachable: readonly string[]
}

/** @throws ERR_HSM_UNAVAILABLE when no HSM can list its keys. */
export async function readRealmKeys({ calls }: ListingLink): Promise<RealmKeys> {
  const { backends } = await calls.describe().catch(translate)
  const keys: PlacedKey[] = []
  const unreachable: string[] = []
  for (const backend of backends) {
    const found = await readKeysOf(calls, backend).catch((error: unknown) => {
      if (backends.length > 1 && hasCode(error, 'ERR_HSM_UNAVAILABLE')) return undefined
      throw error
    })
    if (found) keys.push(...found)
    else unreachable.push(backend.name)
  }
  if (unreachable.length === backends.length) throw cannotAsk(unreachable)
  return { keys: keys.sort((a, b) => (a.id < b.id ? -1 : 1)), unreachable }
}

/** The same where a part would mislead. @throws ERR_HSM_UNAVAILABLE unless every HSM lists its keys. */
export async function readAllRealmKeys(link: ListingLink): Promise<readonly PlacedKey[]> {
  const { keys, unreachable } = await readRealmKeys(link)
  if (unreachable.length > 0) throw cannotAsk(unreachable)
  return keys
}

/** @throws ERR_HSM_UNAVAILABLE */
export function cannotAsk(backends: readonly string[]): DomainError {
  const names = backends.join(', ')
  return new DomainError('ERR_HSM_UNAVAILABLE', `HSMs that cannot be asked now: ${names}`, {
    hints: ['see: keyhsm backend list'],
  })
}

async function readKeysOf(
  calls: ListingLink['calls'],
  { name: backend, canary }: PartitionDescription['backends'][number],
): Promise<PlacedKey[] | undefined> {
  // Key HSM has not been able to connect it since it started.
  if (canary === undefined) return undefined
  const keys: PlacedKey[] = []
  try {
    for await (const key of calls.listHsmKeys(undefined, canary))
      keys.push({ ...key, backend, canary: canary as Fingerprint })
  } catch (error) {
    return translate(error)
  }
  return keys
}
