/**
 * How keys of ours are called in the appliance: `keyhsm-` and the 32 hex digits of the id, so that a key is found by its id
 * with one request, and names of others are left alone. The label for people and the use are custom attributes.
 * @see docs/decisions/0035-nae-key-names.md
 */
import type { HsmKeyId } from '@keyhsm/core'

const prefix = 'keyhsm-'
const pattern = /^keyhsm-([0-9a-f]{32})$/

/** Custom attribute that holds the label. */
export const labelAttribute = 'KeyHSM-Label'
/** Custom attribute that holds the use. */
export const useAttribute = 'KeyHSM-Use'

/** Name in the appliance of the key with this id: 39 characters, a letter first. */
export function toKeyName(id: HsmKeyId): string {
  return `${prefix}${id}`
}

/** The id of a key of ours; undefined for every other name. */
export function parseKeyName(name: string): HsmKeyId | undefined {
  return pattern.exec(name)?.[1] as HsmKeyId | undefined
}
