import { asUuid, DomainError, parseHandle } from '@keyhsm/core'
import { noSuchDeposit } from '../policies/decide.js'
import type { Deposit, Reader } from '../store/store.js'

/** Enough to say that a handle does not name one deposit. */
const shown = 10

/**
 * The deposit an administrator means: by uuid, or by a handle that one owner has.
 * @throws ERR_INVALID_INPUT, ERR_NOT_FOUND; ERR_CONFLICT naming the uuids when several owners have the handle.
 */
export async function findAny(store: Reader, ref: string): Promise<Deposit> {
  const handle = parseHandle(ref, 'ref')
  const uuid = asUuid(ref)
  const byUuid = uuid && (await store.findDepositByUuid(uuid))
  if (byUuid) return byUuid.deposit
  const [deposit, ...others] = await store.listByHandle(handle, shown)
  if (!deposit) throw noSuchDeposit()
  if (others.length === 0) return deposit
  throw new DomainError('ERR_CONFLICT', `several clients have a deposit ${handle}`, {
    hints: [deposit, ...others].map(({ uuid: one, owner }) => `client ${owner}: ${one}`),
  })
}
