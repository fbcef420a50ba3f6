/** The end of pending puts that will not be committed. */
import type { PendingPut } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import type { StoreRequest } from './orders.js'
import type { Plan } from './plan-puts.js'

/** Gives back what a failed put reserved. When the store does not answer, {@link sweepPendingPuts} does it later. */
export async function releaseReservation(
  trustee: Trustee,
  caller: Caller,
  o: { readonly request: StoreRequest; readonly plan: Plan },
): Promise<void> {
  const release = trustee.commits.run(caller.organisation.uuid, async (transaction) => {
    for (const { order } of o.plan.puts)
      await transaction.deletePendingPut(o.request.requestId, caller.client.uuid, order.handle)
  })
  await release.catch(() => undefined)
}

/**
 * Removes pending puts begun before `instant`: left over from a crash. A put that is still under way after all finds its
 * reservation gone when it commits, and stores nothing.
 */
export async function sweepPendingPuts(
  { store }: Pick<Trustee, 'store'>,
  instant: Date,
): Promise<readonly PendingPut[]> {
  const old = (await store.listPendingPuts()).filter(({ startedAt }) => startedAt < instant)
  if (old.length === 0) return old
  await store.withTransaction(async (transaction) => {
    for (const { requestId, client, handle } of old)
      await transaction.deletePendingPut(requestId, client, handle)
  })
  return old
}
