/** What the id of a key found in the device proves to a realm. */
import type { HsmKeyId, Realm } from '@keyhsm/core'
import type { KeyIds } from './key-ids.js'
import { parseLabel } from './labels.js'

/** The purposes of a realm's keys; they equal the scopes. */
export type RealmPurpose = 'deposit' | 'organisation' | 'service'

/** Purpose that the id proves without its label: an organisation's key needs the label to name the organisation. */
export function findPurposeById(
  keyIds: KeyIds,
  realm: Realm,
  id: HsmKeyId,
): 'deposit' | 'service' | undefined {
  return (['deposit', 'service'] as const).find((purpose) => keyIds.belongs(id, { purpose, realm }))
}

/**
 * Purpose of `key` for `realm`.
 * @returns undefined when the key belongs to another realm, or to none of ours. A renamed organisation's key is not
 * recognised either; it still opens its deposits.
 */
export function findPurpose(
  keyIds: KeyIds,
  realm: Realm,
  key: { readonly id: HsmKeyId; readonly label: string },
): RealmPurpose | undefined {
  const proved = findPurposeById(keyIds, realm, key.id)
  if (proved) return proved
  const label = parseLabel(key.label)
  if (label?.form !== 'organisation') return undefined
  const owner = { purpose: 'organisation', realm, organisation: label.organisation } as const
  return keyIds.belongs(key.id, owner) ? 'organisation' : undefined
}
