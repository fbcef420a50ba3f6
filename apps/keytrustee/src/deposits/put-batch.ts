import { invalidInput, parseHandle, type Uuid } from '@keyhsm/core'
import type { Caller, Trustee } from '../trustee.js'
import type { StoreReply } from './commit-puts.js'
import { type PutOrder, type RawPut, requireDistinctHandles } from './orders.js'
import { withPolicy } from './put-policy.js'
import { storeDeposits } from './store-deposits.js'

/**
 * Stores and removes several deposits: all of them in one transaction, or none.
 * @throws as {@link putDeposit}; ERR_NOT_FOUND when a handle to remove is not there.
 */
export async function putBatch(
  trustee: Trustee,
  caller: Caller,
  request: {
    readonly requestId: Uuid
    readonly puts: readonly RawPut[]
    readonly removes?: readonly string[]
  },
): Promise<StoreReply> {
  const puts: PutOrder[] = []
  for (const raw of request.puts) puts.push(await withPolicy(trustee, caller, raw))
  const removes = (request.removes ?? []).map((handle) => parseHandle(handle, 'removes'))
  if (puts.length + removes.length === 0) throw invalidInput('puts', 'must not be empty')
  requireDistinctHandles(puts, removes)
  const { requestId } = request
  return storeDeposits(trustee, caller, { operation: 'put-batch', requestId, puts, removes })
}
