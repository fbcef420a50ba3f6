/**
 * The first transaction of a put that makes HSM keys: it is planned under the organisation's lock, and its place is taken
 * with a pending put, so that races on handles and quotas are settled before the HSM is touched.
 */
import type { Uuid } from '@keyhsm/core'
import type { RequestResult, Transaction } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { type Asked, type Plan, type PlannedPut, planPuts, uuidsOf } from './plan-puts.js'
import { limitDeposits } from './quotas.js'

/** Reserves, or returns the answer this request was given before. @throws as {@link planPuts} */
export function reservePuts(
  trustee: Trustee,
  caller: Caller,
  asked: Asked,
): Promise<RequestResult | Plan> {
  const of = uuidsOf(caller)
  return trustee.commits.run(of.organisation, async (transaction) => {
    await transaction.lockOrganisation(of.organisation)
    const plan = await planPuts(trustee, transaction, caller, asked)
    if ('reply' in plan) return plan
    const now = trustee.clock.now()
    const { requestId } = asked.request
    await limitDeposits(trustee, transaction, of)
    await takePlaces(transaction, caller, { puts: plan.puts, requestId, now })
    if (plan.demand.newHsmKeys > 0) await transaction.recordHsmKeys(of, plan.demand.newHsmKeys, now)
    return plan
  })
}

async function takePlaces(
  transaction: Transaction,
  caller: Caller,
  o: { readonly puts: readonly PlannedPut[]; readonly requestId: Uuid; readonly now: Date },
): Promise<void> {
  const { client, organisation } = caller
  const places = o.puts.flatMap(({ order, deposit, revision }) => [
    // Left over from a try that ended without an answer: this try takes its place, and the old one can no longer commit.
    transaction.deletePendingPut(o.requestId, client.uuid, order.handle),
    transaction.insertPendingPut({
      requestId: o.requestId,
      client: client.uuid,
      organisation: organisation.uuid,
      deposit,
      handle: order.handle,
      revision,
      contentBytes: order.content.length,
      startedAt: o.now,
    }),
  ])
  await Promise.all(places)
}
