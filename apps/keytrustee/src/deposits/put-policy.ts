import { type Policy, withTrustees } from '../policies/policy.js'
import { parseFor } from '../policies/set-policy.js'
import type { Trustees } from '../policies/trustees.js'
import { parseTrustees } from '../policies/parse-trustees.js'
import type { Caller, Trustee } from '../trustee.js'
import { parsePut, type PutOrder, type RawPut } from './orders.js'
import type { PlannedPut } from './plan-puts.js'

/**
 * A checked put with its policy and trustees, looked up in the caller's organisation.
 * @throws ERR_INVALID_INPUT, ERR_TOO_LARGE
 */
export async function withPolicy(
  { store, limits }: Trustee,
  caller: Caller,
  raw: RawPut,
): Promise<PutOrder> {
  const order = parsePut(raw, limits.contentBytes)
  const { organisation } = caller
  const policy = raw.policy && { to: await parseFor(store, organisation.uuid, raw.policy) }
  const trustees = raw.trustees && { to: await parseTrustees(store, caller, raw.trustees) }
  return { ...order, ...(policy ? { policy } : {}), ...(trustees ? { trustees } : {}) }
}

/** Those that a put seals into its header: the ones it names, or those of the revision before. */
export function trusteesOf({
  order,
  before,
}: Pick<PlannedPut, 'order' | 'before'>): Trustees | undefined {
  return order.trustees ? order.trustees.to : before?.policy?.trustees
}

/** The policy of the deposit after a put. */
export function policyAfter(put: Pick<PlannedPut, 'order' | 'before'>): Policy | undefined {
  const policy = put.order.policy ? put.order.policy.to : put.before?.policy
  return withTrustees(policy, trusteesOf(put))
}
