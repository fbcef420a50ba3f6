/** Finding a deposit for its owner, or for a reader it names. A foreign one and an absent one cost the same queries and get the same answer. */
import { asUuid, parseHandle, type Uuid } from '@keyhsm/core'
import { auditRefusal } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import {
  type Client,
  type Deposit,
  type Reader,
  refuseReader,
  type Revision,
} from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'

export interface Found {
  readonly deposit: Deposit
  readonly revision: Revision
}

export interface Lookup {
  readonly operation: 'get' | 'describe' | 'remove' | 'undelete' | 'purge' | 'set-policy'
  readonly requestId: Uuid
  /** A handle, a deposit's uuid or a revision's uuid, as the caller wrote it. */
  readonly ref: string
}

/**
 * The caller's deposit, or for `get` one shared with it, with the revision that `ref` means; its grant and its revision's uuid are verified.
 * @throws ERR_INVALID_INPUT; ERR_NOT_FOUND when there is none, when it is another's, or when it is not ours (audited as
 * `integrity`).
 */
export async function findOwn(trustee: Trustee, caller: Caller, lookup: Lookup): Promise<Found> {
  const shared = lookup.operation === 'get'
  const found = await findByRef(trustee.store, caller.client, { ref: lookup.ref, shared })
  // A deposit put just now may not have come to a standby yet.
  if (!found) refuseReader(trustee.store)
  if (!found) return refuseLookup(trustee, caller, lookup, 'not-found')
  if (!believes(trustee, found)) return refuseLookup(trustee, caller, lookup, 'grant')
  return found
}

/** Every uuid is also a well-formed handle: the uuid is tried first. */
async function findByRef(
  store: Reader,
  client: Client,
  { ref, shared }: { readonly ref: string; readonly shared: boolean },
): Promise<Found | undefined> {
  const handle = parseHandle(ref, 'ref')
  const uuid = asUuid(ref)
  for (const wanted of uuid ? [{ uuid }, { handle }] : [{ handle }]) {
    const own = await store.findForRetrieval(client.uuid, wanted)
    const found = own ?? (shared ? await store.findShared(client, wanted) : undefined)
    if (found) return found
  }
  return undefined
}

function believes({ grants }: Trustee, { deposit, revision }: Found): boolean {
  return (
    grants.believesDeposit(deposit) &&
    revision.revision <= deposit.revision &&
    revision.uuid === grants.revisionUuid(deposit.uuid, revision.revision)
  )
}

/**
 * One answer for what is absent, another's, or not ours. Describing what is not there is no attempt at anything, and is not
 * audited.
 */
export async function refuseLookup(
  { audit }: Trustee,
  caller: Caller,
  { operation, requestId, ref }: Lookup,
  reason: 'not-found' | 'grant',
): Promise<never> {
  if (operation === 'describe' && reason === 'not-found') throw noSuchDeposit()
  const subjects = [{ organisation: caller.organisation.uuid, ref }]
  const outcome = reason === 'grant' ? 'integrity' : 'refused'
  const actor = caller.client.uuid
  await auditRefusal(audit, { operation, requestId, actor, subjects }, outcome, reason)
  throw noSuchDeposit()
}
