import { DomainError } from '@keyhsm/core'
import type { explainPolicyRoute, ReplyOf } from '@keyhsm/protocol'
import type { Client, Deposit } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { believedGroupsOf } from './believed-groups.js'
import { usedOf } from './count-retrieval.js'
import { decide, type Facts, rules } from './decide.js'

export interface Question {
  readonly client: Client
  readonly at: Date
  readonly from: string
}

/** What {@link decide} would say, rule by rule. Asks and changes nothing. */
export async function explainPolicy(
  trustee: Trustee,
  deposit: Deposit,
  { client, at, from }: Question,
): Promise<ReplyOf<typeof explainPolicyRoute>> {
  if (!trustee.grants.believesDeposit(deposit) || !trustee.grants.believesClient(client))
    throw new DomainError('ERR_INTEGRITY', 'a row was not written by this server')
  const facts: Facts = {
    client,
    groups: await believedGroupsOf(trustee, client),
    deposit,
    revoked: trustee.revocations.has(deposit.uuid),
    now: at,
    from,
    used: await readUsed(trustee, deposit),
    approvals: 0,
    newest: true,
  }
  const decision = decide(facts)
  return {
    allowed: decision.allowed,
    ...(decision.allowed ? {} : { reason: decision.reason }),
    used: facts.used,
    ...(deposit.policy?.maxRetrievals === undefined
      ? {}
      : { maxRetrievals: deposit.policy.maxRetrievals }),
    rules: rules.map(({ reason, words, holds }) => ({ rule: words, reason, holds: holds(facts) })),
  }
}

/** Uses so far, to decide before the count's row is locked. A count that is not ours leaves nothing. */
export async function readUsed(
  { store, grants }: Pick<Trustee, 'store' | 'grants'>,
  { uuid, policy }: Pick<Deposit, 'uuid' | 'policy'>,
): Promise<number> {
  if (policy?.maxRetrievals === undefined) return 0
  return usedOf(grants, await store.findRetrievalCount(uuid)) ?? Number.MAX_SAFE_INTEGER
}
