/** What HSM keys there are. Asks the device for all of them: administration, never on the way of a deposit. */
import type { Fingerprint, HsmKeyId, Realm } from '@keyhsm/core'
import type { HsmKey } from '@keyhsm/hsm'
import { parseLabel } from '../keys/labels.js'
import { findPurpose, type RealmPurpose } from '../keys/purpose.js'
import type { Partition } from '../partition/partition.js'

export interface ListedKey {
  readonly id: HsmKeyId
  readonly label: string
  readonly kind: string
  readonly purpose: RealmPurpose
  /** UTC date of the label; undefined when the key was renamed. */
  readonly createdOn?: string
}

/** A key as an administrator sees it. */
export interface AdministeredKey extends Omit<ListedKey, 'purpose'> {
  /** The label's first part where it names a deposit's handle. */
  readonly handle?: string
  /** The label's random part, e.g. `3T17-YYdn`. */
  readonly uuid?: string
  /** How many deposits share the key; absent for the partition's own keys and for foreign ones. */
  readonly scope?: RealmPurpose
  readonly purpose: RealmPurpose | 'pool' | 'canary' | 'audit' | 'auth' | 'unknown'
  readonly realm?: Realm
  readonly fingerprint: Fingerprint
}

export interface Page {
  readonly after?: HsmKeyId
  readonly limit?: number
}

export interface Paged<Key> {
  readonly keys: Key[]
  /** Pass as `after` to go on; absent at the end. */
  readonly next?: HsmKeyId
}

const defaultLimit = 10_000

/** The keys of `realm` in the order of their ids. */
export async function listRealmKeys(
  partition: Partition,
  realm: Realm,
  page: Page = {},
): Promise<Paged<ListedKey>> {
  const keys = await partition.hsm.listKeys()
  const own = keys.flatMap((key) => {
    // A key made ahead is not the realm's yet: its owner would take it for an orphan.
    if (isSpare(key)) return []
    const purpose = findPurpose(partition.keys.keyIds, realm, key)
    return purpose && key.use === 'wrap' ? [{ ...describe(key), purpose }] : []
  })
  return cutPage(own, page)
}

/** All keys of the partition, or those with this whole label or id, in the order of their ids. */
export async function listAllKeys(
  partition: Partition,
  realms: readonly Realm[],
  { name, ...page }: Page & { readonly name?: string } = {},
): Promise<Paged<AdministeredKey>> {
  const keys = await partition.hsm.listKeys()
  const named = keys.filter((key) => name === undefined || key.label === name || key.id === name)
  return cutPage(
    named.map((key) => administered(partition, realms, key)),
    page,
  )
}

function administered({ keys }: Partition, realms: readonly Realm[], key: HsmKey): AdministeredKey {
  const described = { ...describe(key), ...splitLabel(key.label), fingerprint: key.fingerprint }
  if (key.use === 'authenticate') return { ...described, purpose: 'auth' }
  for (const purpose of ['canary', 'audit'] as const) {
    if (keys.keyIds.belongs(key.id, { purpose })) return { ...described, purpose }
  }
  for (const realm of realms) {
    const purpose = findPurpose(keys.keyIds, realm, key)
    if (purpose && isSpare(key)) return { ...described, purpose: 'pool', realm }
    if (purpose) return { ...described, purpose, scope: purpose, realm }
  }
  return { ...described, purpose: 'unknown' }
}

function isSpare({ label }: HsmKey): boolean {
  return parseLabel(label)?.form === 'pool'
}

function describe({ id, label, kind }: HsmKey) {
  const createdOn = parseLabel(label)?.createdOn
  return { id, label, kind, ...(createdOn === undefined ? {} : { createdOn }) }
}

function splitLabel(label: string): { readonly handle?: string; readonly uuid?: string } {
  const parsed = parseLabel(label)
  return parsed?.form === 'single' ? { handle: parsed.name, uuid: parsed.uuid } : {}
}

function cutPage<Key extends { readonly id: HsmKeyId }>(
  keys: readonly Key[],
  { after = '' as HsmKeyId, limit = defaultLimit }: Page,
): Paged<Key> {
  const rest = keys.filter(({ id }) => id > after).sort((a, b) => (a.id < b.id ? -1 : 1))
  const cut = rest.slice(0, limit)
  const last = cut.at(-1)
  return rest.length > cut.length && last ? { keys: cut, next: last.id } : { keys: cut }
}
