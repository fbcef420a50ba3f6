/**
 * Orphans: HSM keys of purpose `deposit` that no revision needs and no pending put may be about to need. A key made by a
 * process that was killed is one; so is the key of a put whose commit never happened.
 */
import type { HsmKeyEntry } from '@keyhsm/client'
import type { HsmKeyId } from '@keyhsm/core'
import type { Deposit } from '../store/store.js'
import type { Trustee } from '../trustee.js'

/** Why a key is no orphan. */
export type Need =
  | 'needed by a deposit'
  | 'a put under way may need it'
  | 'a migration under way may need it'
  | 'not a deposit’s own key'

/**
 * What each key is needed for; a key without an entry is an orphan. `keys` must have been read before this is called: a
 * put under way has its pending row before its key, and its use in the same commit that ends the pending row; a move is
 * known before its key, until its use is committed. So reading keys, then puts and moves, then uses can miss none.
 */
export async function findNeeds(
  { store, moves }: Pick<Trustee, 'store' | 'moves'>,
  keys: readonly HsmKeyEntry[],
): Promise<ReadonlyMap<string, Need>> {
  const pending = await store.listPendingPuts()
  const moving = moves.handles()
  const uses = await store.findHsmKeyUses(
    keys.map(({ id }) => id as HsmKeyId),
    1,
  )
  const needs = new Map<string, Need>()
  for (const { id, label, purpose } of keys) {
    if (purpose !== 'deposit') needs.set(id, 'not a deposit’s own key')
    else if (uses.has(id as HsmKeyId)) needs.set(id, 'needed by a deposit')
    else if (pending.some(({ handle }) => mayBelong(label, handle)))
      needs.set(id, 'a put under way may need it')
    else if (moving.some((handle) => mayBelong(label, handle)))
      needs.set(id, 'a migration under way may need it')
  }
  return needs
}

/** `<handle>-<xxxx>-<xxxx>-<yyyy-mm-dd>`, read from the right. */
const labelPattern = /^(.+)-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-\d{4}-\d{2}-\d{2}$/
/** Shorter than any handle that was cut to fit a label, so that a cut one still matches. */
const comparedCharacters = 24

/** Rather keeps one key too many: only the first characters are compared, and an unreadable label matches every one. */
function mayBelong(label: string, handle: Deposit['handle']): boolean {
  const part = labelPattern.exec(label)?.[1]
  if (part === undefined) return true
  return part.slice(0, comparedCharacters) === handle.slice(0, comparedCharacters)
}
