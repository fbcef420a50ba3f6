/** Deposits whose HSM key is not in the HSM: after a restore, or when the HSM itself was restored from an older backup. */
import type { HsmKeyId } from '@keyhsm/core'
import type { missingHsmKeysRoute, ReplyOf } from '@keyhsm/protocol'
import type { Reader } from '../store/store.js'
import { usesShown } from './list-hsm-keys.js'
import { type ListingLink, readAllRealmKeys } from './read-keys.js'

export type MissingKeys = ReplyOf<typeof missingHsmKeysRoute>

const pageSize = 1000
const keysShown = 1000

/** @throws ERR_HSM_UNAVAILABLE unless every HSM of Key HSM lists its keys. */
export async function findMissingKeys(
  store: Pick<Reader, 'listHsmKeyIds' | 'findHsmKeyUses'>,
  link: ListingLink,
): Promise<MissingKeys> {
  const present = new Set((await readAllRealmKeys(link)).map(({ id }) => id))
  const missing: HsmKeyId[] = []
  let needed = 0
  let count = 0
  for await (const id of allNeeded(store)) {
    needed += 1
    if (present.has(id)) continue
    count += 1
    if (missing.length < keysShown) missing.push(id)
  }
  const uses = await store.findHsmKeyUses(missing, usesShown)
  return {
    needed,
    missing: count,
    keys: missing.map((id) => ({ id, uses: [...(uses.get(id) ?? [])] })),
  }
}

async function* allNeeded(store: Pick<Reader, 'listHsmKeyIds'>): AsyncGenerator<HsmKeyId> {
  let after: HsmKeyId | undefined
  for (;;) {
    const limit = pageSize
    const page = await store.listHsmKeyIds(after === undefined ? { limit } : { after, limit })
    yield* page
    if (page.length < limit) return
    after = page.at(-1)
  }
}
