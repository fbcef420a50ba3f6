import { asUuid, parseHandle } from '@keyhsm/core'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { type Lookup, refuseLookup } from './find-own.js'

/**
 * One deposit of the caller's own as a list would show it: whatever its state, never its content, and without the HSM.
 * @throws ERR_NOT_FOUND when there is none, it is another's, or its row is not ours (audited as `integrity`).
 */
export async function describeDeposit(
  trustee: Trustee,
  caller: Caller,
  lookup: Lookup,
): Promise<DepositReply> {
  const { store, grants } = trustee
  const owner = caller.client.uuid
  const handle = parseHandle(lookup.ref, 'ref')
  const uuid = asUuid(lookup.ref)
  const byUuid = uuid && (await store.findDepositByUuid(uuid))?.deposit
  const deposit = byUuid?.owner === owner ? byUuid : await store.findDeposit({ owner, handle })
  const latest = deposit && (await store.findRevisionMeta(deposit.uuid, deposit.revision))
  if (!deposit || !latest) return refuseLookup(trustee, caller, lookup, 'not-found')
  if (!grants.believesDeposit(deposit)) return refuseLookup(trustee, caller, lookup, 'grant')
  return toDepositReply(deposit, latest)
}
