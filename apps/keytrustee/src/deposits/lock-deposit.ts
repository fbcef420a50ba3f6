/** A deposit whose row is changed beside puts: as it is now, not as it was when it was looked up. */
import { DomainError } from '@keyhsm/core'
import { noSuchDeposit } from '../policies/decide.js'
import type { Deposit, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'

/**
 * The row as it is now; no other change that takes this lock comes between until the transaction ends. Without it a change
 * would put back the state or the policy that it once read.
 * @throws ERR_NOT_FOUND when it is gone or not ours; ERR_CONFLICT when it was replaced since `found` was read
 */
export async function lockDeposit(
  { grants }: Pick<Trustee, 'grants'>,
  transaction: Transaction,
  found: Deposit,
): Promise<Deposit> {
  await transaction.lockOrganisation(found.organisation)
  const now = (await transaction.findDepositByUuid(found.uuid))?.deposit
  if (!now || !grants.believesDeposit(now)) throw noSuchDeposit()
  if (now.revision === found.revision && now.handle === found.handle) return now
  throw new DomainError('ERR_CONFLICT', 'the deposit was replaced meanwhile')
}
