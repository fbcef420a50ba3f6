/** This realm's HSM keys with the deposits that need them. */
import type { HsmKeyId } from '@keyhsm/core'
import type { listHsmKeyUsesRoute, QueryOf, ReplyOf } from '@keyhsm/protocol'
import type { Trustee } from '../trustee.js'
import { type ListingLink, type PlacedKey, readRealmKeys } from './read-keys.js'

type Reply = ReplyOf<typeof listHsmKeyUsesRoute>
export type HsmKeyUse = Reply['keys'][number]

/** Uses shown of one key: a key of scope `service` may be needed by millions. */
export const usesShown = 20
const defaultPageSize = 1000

/** A page in the order of the keys' ids; what cannot be asked now is named. */
export async function listHsmKeys(
  trustee: Pick<Trustee, 'store'>,
  link: ListingLink,
  { after = '', limit = defaultPageSize, purpose }: QueryOf<typeof listHsmKeyUsesRoute> = {},
): Promise<Reply> {
  const { keys: all, unreachable } = await readRealmKeys(link)
  const rest = all.filter(
    (key) => key.id > after && (purpose === undefined || key.purpose === purpose),
  )
  const keys = await withUses(trustee, rest.slice(0, limit))
  const last = keys.at(-1)
  return {
    keys: keys.map(withoutCanary),
    unreachable: [...unreachable],
    ...(last && rest.length > limit ? { next: last.id } : {}),
  }
}

function withoutCanary(key: HsmKeyUse & PlacedKey): HsmKeyUse {
  const { canary: _, ...shown } = key
  return shown
}

/** The keys with what needs them, at most {@link usesShown} uses each. */
export async function withUses<Key extends PlacedKey>(
  { store }: Pick<Trustee, 'store'>,
  keys: readonly Key[],
): Promise<(Key & Pick<HsmKeyUse, 'uses'>)[]> {
  const ids = keys.map(({ id }) => id as HsmKeyId)
  const uses = await store.findHsmKeyUses(ids, usesShown)
  return keys.map((key) => ({ ...key, uses: [...(uses.get(key.id as HsmKeyId) ?? [])] }))
}
