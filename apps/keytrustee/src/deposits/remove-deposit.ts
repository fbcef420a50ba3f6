import { audited } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Caller, Trustee } from '../trustee.js'
import { removedRow } from './commit-puts.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { findOwn, type Lookup } from './find-own.js'
import { lockDeposit } from './lock-deposit.js'

/**
 * Disables a deposit until `undeleteUntil`; its content and its HSM key stay. Removing it again changes nothing.
 * @throws ERR_NOT_FOUND; ERR_CONFLICT when it was replaced meanwhile.
 */
export async function removeDeposit(
  trustee: Trustee,
  caller: Caller,
  lookup: Omit<Lookup, 'operation'>,
): Promise<DepositReply> {
  const found = await findOwn(trustee, caller, { ...lookup, operation: 'remove' })
  const { deposit: before, revision } = found
  // A revision's uuid retrieves that revision; what is removed is always the whole deposit.
  if (revision.revision !== before.revision) throw noSuchDeposit()
  if (before.state !== 'active') return toDepositReply(before, revision)
  const { uuid: deposit, handle, organisation } = before
  const operation = {
    operation: 'remove',
    requestId: lookup.requestId,
    actor: caller.client.uuid,
    subjects: [{ organisation, deposit, handle, revision: before.revision }],
  }
  return trustee.queue.withKeys([`${caller.client.uuid}/${handle}`], () =>
    audited(trustee.audit, operation, 'done', () =>
      trustee.store.withTransaction(async (transaction) => {
        const now = await lockDeposit(trustee, transaction, before)
        const removed = removedRow(trustee, now, trustee.clock.now())
        if (now.state === 'active') await transaction.updateDeposit(removed)
        return toDepositReply(removed, revision)
      }),
    ),
  )
}
