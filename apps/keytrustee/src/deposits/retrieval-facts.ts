import type { Uuid } from '@keyhsm/core'
import { believedGroupsOf } from '../policies/believed-groups.js'
import type { Facts } from '../policies/decide.js'
import { readUsed } from '../policies/explain-policy.js'
import type { Caller, Trustee } from '../trustee.js'
import type { Found, Lookup } from './find-own.js'

export interface Retrieval extends Omit<Lookup, 'operation'> {
  /** The caller's IP address. */
  readonly from: string
  /** A request of the caller's that trustees approved. */
  readonly request?: Uuid
}

/** What the decision about a retrieval is made from; approvals are added by who knows of some. */
export async function readFacts(
  trustee: Trustee,
  { client }: Caller,
  { from }: Retrieval,
  { deposit, revision }: Found,
): Promise<Facts> {
  const named = deposit.owner !== client.uuid && deposit.policy?.groups !== undefined
  return {
    client,
    groups: named ? await believedGroupsOf(trustee, client) : [],
    deposit,
    revoked: trustee.revocations.has(deposit.uuid),
    now: trustee.clock.now(),
    from,
    used: await readUsed(trustee, deposit),
    approvals: 0,
    newest: revision.revision === deposit.revision,
  }
}
