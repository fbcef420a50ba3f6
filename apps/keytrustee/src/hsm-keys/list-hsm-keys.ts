/** This realm's HSM keys with the deposits that need them. */
import type { HsmKeyEntry } from '@keyhsm/client'
import type { HsmKeyId } from '@keyhsm/core'
import type { listHsmKeyUsesRoute, ReplyOf } from '@keyhsm/protocol'
import type { KeyHsmLink } from '../sealing/key-hsm-link.js'
import { translate } from '../sealing/key-hsm-sealer.js'
import type { Trustee } from '../trustee.js'

export type HsmKeyUse = ReplyOf<typeof listHsmKeyUsesRoute>['keys'][number]
/** What listing needs of the link. */
export type ListingLink = { readonly calls: Pick<KeyHsmLink['calls'], 'listHsmKeys'> }

/** Uses shown of one key: a key of scope `service` may be needed by millions. */
export const usesShown = 20
const defaultPageSize = 1000

/** A page in the order of the keys' ids. */
export async function listHsmKeys(
  trustee: Pick<Trustee, 'store'>,
  link: ListingLink,
  o: { readonly after?: string; readonly limit?: number } = {},
): Promise<ReplyOf<typeof listHsmKeyUsesRoute>> {
  const limit = o.limit ?? defaultPageSize
  const { after = '' } = o
  const rest = (await readAllHsmKeys(link)).filter(({ id }) => id > after)
  const keys = await withUses(trustee, rest.slice(0, limit))
  const last = keys.at(-1)
  return { keys, ...(last && rest.length > limit ? { next: last.id } : {}) }
}

/** Every HSM key of the realm, as Key HSM lists them, in the order of their ids. @throws ERR_HSM_UNAVAILABLE */
export async function readAllHsmKeys({ calls }: ListingLink): Promise<readonly HsmKeyEntry[]> {
  const keys: HsmKeyEntry[] = []
  try {
    for await (const key of calls.listHsmKeys()) keys.push(key)
  } catch (error) {
    return translate(error)
  }
  return keys
}

/** The keys with what needs them, at most {@link usesShown} uses each. */
export async function withUses(
  { store }: Pick<Trustee, 'store'>,
  keys: readonly HsmKeyEntry[],
): Promise<HsmKeyUse[]> {
  const ids = keys.map(({ id }) => id as HsmKeyId)
  const uses = await store.findHsmKeyUses(ids, usesShown)
  return keys.map((key) => ({ ...key, uses: [...(uses.get(key.id as HsmKeyId) ?? [])] }))
}
