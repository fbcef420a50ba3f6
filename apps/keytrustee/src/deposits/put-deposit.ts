import type { Uuid } from '@keyhsm/core'
import type { Caller, Trustee } from '../trustee.js'
import type { DepositReply } from './deposit-field.js'
import { parseConditions, type RawPut } from './orders.js'
import { withPolicy } from './put-policy.js'
import { storeDeposits } from './store-deposits.js'

/**
 * Stores content under a handle; without a condition an existing deposit gets a new revision.
 * @throws ERR_INVALID_INPUT, ERR_TOO_LARGE before anything is touched; then as {@link storeDeposits}.
 */
export async function putDeposit(
  trustee: Trustee,
  caller: Caller,
  request: {
    readonly requestId: Uuid
    readonly put: RawPut
    readonly headers: Readonly<Record<string, string | undefined>>
  },
): Promise<DepositReply> {
  const raw = { ...request.put, ...parseConditions(request.headers) }
  const put = await withPolicy(trustee, caller, raw)
  const { deposits } = await storeDeposits(trustee, caller, {
    operation: 'put',
    requestId: request.requestId,
    puts: [put],
    removes: [],
  })
  const [deposit] = deposits
  if (!deposit) throw new Error('a put answered without its deposit')
  return deposit
}
