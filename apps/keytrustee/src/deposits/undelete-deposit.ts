import { DomainError, irretrievable, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { noSuchDeposit } from '../policies/decide.js'
import type { Deposit, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { limitDeposits, readUsages, requireQuota } from './quotas.js'

export interface UndeleteOrder {
  readonly requestId: Uuid
  /** Owner or administrator. */
  readonly actor: string
}

/**
 * Undoes the removal of a deposit while its window is open; one that is active stays as it is.
 * @throws ERR_NOT_FOUND; ERR_DISABLED after the window; ERR_IRRETRIEVABLE when it was purged; ERR_QUOTA.
 */
export async function undeleteDeposit(
  trustee: Trustee,
  order: UndeleteOrder,
  uuid: Uuid,
): Promise<DepositReply> {
  const found = (await trustee.store.findDepositByUuid(uuid))?.deposit
  if (!found || !trustee.grants.believesDeposit(found)) throw noSuchDeposit()
  const { organisation, handle, owner, revision } = found
  const operation = {
    operation: 'undelete',
    ...order,
    subjects: [{ organisation, deposit: uuid, handle, revision }],
  }
  return trustee.queue.withKeys([`${owner}/${handle}`], () =>
    audited(trustee.audit, operation, 'done', () =>
      trustee.store.withTransaction((transaction) => restore(trustee, transaction, found)),
    ),
  )
}

async function restore(
  trustee: Trustee,
  transaction: Transaction,
  { uuid, organisation, owner: client }: Deposit,
): Promise<DepositReply> {
  await transaction.lockOrganisation(organisation)
  const before = (await transaction.findDepositByUuid(uuid))?.deposit
  const latest = (await transaction.listRevisions(uuid)).at(-1)
  if (!before || !latest || !trustee.grants.believesDeposit(before)) throw noSuchDeposit()
  if (before.state === 'active') return toDepositReply(before, latest)
  if (before.state !== 'disabled' || trustee.revocations.has(uuid)) throw irretrievable()
  const now = trustee.clock.now()
  if (before.undeleteUntil === undefined || before.undeleteUntil < now) throw windowIsOver(before)
  const usages = await readUsages(transaction, { client, organisation }, now)
  requireQuota(usages, { newDeposits: 1, newHsmKeys: 0 }, trustee.limits)
  await limitDeposits(trustee, transaction, { client, organisation })
  const deposit = trustee.grants.deposit({
    ...before,
    state: 'active',
    updatedAt: now,
    undeleteUntil: undefined,
  })
  await transaction.updateDeposit(deposit)
  return toDepositReply(deposit, latest)
}

function windowIsOver({ undeleteUntil }: Deposit): DomainError {
  const until = undeleteUntil?.toISOString() ?? 'its removal'
  return new DomainError('ERR_DISABLED', `the removal could be undone until ${until} only`, {
    hints: ['purge it to free its handle'],
  })
}
