import { DomainError } from '@keyhsm/core'
import type { RetrievalRequest, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { noSuchRequest } from './find-request.js'
import { type KnownRequest, stateOf } from './request-reply.js'

const over: ReadonlySet<string> = new Set(['used', 'withdrawn', 'expired'])

/**
 * Changes a request, or what is said to it, under its lock: what was used or withdrawn since it was read stays so. `write`
 * is given the row as it is now. @throws ERR_CONFLICT when the request is over
 */
export async function changeRequest<Result>(
  { store, grants, clock }: Pick<Trustee, 'store' | 'grants' | 'clock'>,
  known: KnownRequest,
  write: (transaction: Transaction, request: RetrievalRequest) => Promise<Result>,
): Promise<Result> {
  return await store.withTransaction(async (transaction) => {
    const request = await transaction.lockRetrievalRequest(known.request.uuid)
    if (!request || !grants.believesRequest(request)) throw noSuchRequest()
    const state = stateOf({ ...known, request }, clock.now())
    if (over.has(state)) throw new DomainError('ERR_CONFLICT', `the request is ${state}`)
    return await write(transaction, request)
  })
}
