import { audited } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Caller, Trustee } from '../trustee.js'
import { removedRow } from './commit-puts.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { findOwn, type Lookup } from './find-own.js'

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
  const removed = removedRow(trustee, before, trustee.clock.now())
  const { uuid: deposit, handle, organisation } = before
  const operation = {
    operation: 'remove',
    requestId: lookup.requestId,
    actor: caller.client.uuid,
    subjects: [{ organisation, deposit, handle, revision: before.revision }],
  }
  await trustee.queue.withKeys([`${caller.client.uuid}/${handle}`], () =>
    audited(trustee.audit, operation, 'done', () =>
      trustee.store.withTransaction((transaction) => transaction.updateDeposit(removed)),
    ),
  )
  return toDepositReply(removed, revision)
}
