/** The last transaction of a put: rows, the request's answer and the end of the reservation, all or nothing. */
import { DomainError, type Fingerprint, reached } from '@keyhsm/core'
import { savePolicyRows } from '../policies/set-policy.js'
import type { Deposit, Revision, Transaction } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { type DepositReply, toDepositReply } from './deposit-field.js'
import { lockDeposit } from './lock-deposit.js'
import type { StoreRequest } from './orders.js'
import { policyAfter } from './put-policy.js'
import { type PlannedRemove, uuidsOf } from './plan-puts.js'
import { limitDeposits } from './quotas.js'
import type { SealedPut } from './seal-puts.js'

export interface StoreReply {
  readonly deposits: readonly DepositReply[]
  readonly removed: readonly DepositReply[]
}

export interface Commit {
  readonly request: StoreRequest
  readonly hash: Fingerprint
  /** Whether its place was taken by {@link reservePuts}; else the commit counts the quotas. */
  readonly reserved: boolean
  readonly sealing: 'hsm' | 'pass-through'
  /** The direction that sealing followed. */
  readonly directed: number | undefined
  readonly puts: readonly SealedPut[]
  readonly removes: readonly PlannedRemove[]
}

/**
 * @throws DirectionChanged; ERR_QUOTA; ERR_CONFLICT when a deposit changed meanwhile or the reservation was taken over; CommitUnknown when it may have
 * happened; anything else: it certainly did not.
 */
export function commitPuts(trustee: Trustee, caller: Caller, commit: Commit): Promise<StoreReply> {
  const now = trustee.clock.now()
  return trustee.commits.run(caller.organisation.uuid, async (transaction) => {
    // Before any row, as whoever changes one does.
    if (commit.removes.length > 0) await transaction.lockOrganisation(caller.organisation.uuid)
    if (commit.puts.length > 0 && trustee.store.reach().shared)
      await transaction.requireDirection(commit.directed)
    if (!commit.reserved) await countUnreserved(trustee, transaction, caller, { ...commit, now })
    const deposits: DepositReply[] = []
    for (const put of commit.puts) {
      if (commit.reserved) await endReservation(transaction, caller, commit, put)
      deposits.push(
        await storePut(trustee, transaction, { caller, put, sealing: commit.sealing, now }),
      )
    }
    const removed: DepositReply[] = []
    for (const { before, latest } of commit.removes) {
      const present = await lockDeposit(trustee, transaction, before)
      const deposit = removedRow(trustee, present, now)
      if (present.state === 'active') await transaction.updateDeposit(deposit)
      removed.push(toDepositReply(deposit, latest))
    }
    const reply: StoreReply = { deposits, removed }
    await transaction.insertRequest({
      requestId: commit.request.requestId,
      client: caller.client.uuid,
      requestHash: commit.hash,
      reply: JSON.stringify(reply),
      createdAt: now,
    })
    reached('put:inserted')
    return reply
  })
}

/** A put that makes an HSM key although none was expected is counted all the same: Key HSM's scope was changed just now. */
async function countUnreserved(
  trustee: Trustee,
  transaction: Transaction,
  caller: Caller,
  { puts, now }: Pick<Commit, 'puts'> & { readonly now: Date },
): Promise<void> {
  const of = uuidsOf(caller)
  const made = puts.filter(({ sealed }) => sealed.newKey).length
  if (made > 0) await transaction.recordHsmKeys(of, made, now)
  await limitDeposits(trustee, transaction, of)
}

/** The row of a removed deposit; one that was removed before stays as it is. */
export function removedRow(trustee: Trustee, before: Deposit, now: Date): Deposit {
  if (before.state !== 'active') return before
  const undeleteUntil = new Date(now.getTime() + trustee.limits.undeleteMs)
  return trustee.grants.deposit({ ...before, state: 'disabled', updatedAt: now, undeleteUntil })
}

async function endReservation(
  transaction: Transaction,
  caller: Caller,
  { request }: Commit,
  { order }: SealedPut,
): Promise<void> {
  const own = await transaction.deletePendingPut(
    request.requestId,
    caller.client.uuid,
    order.handle,
  )
  if (!own) throw new DomainError('ERR_CONFLICT', 'the request was taken over by a repetition')
}

async function storePut(
  { grants }: Trustee,
  transaction: Transaction,
  o: {
    readonly caller: Caller
    readonly put: SealedPut
    readonly sealing: Revision['sealing']
    readonly now: Date
  },
): Promise<DepositReply> {
  const { put, now } = o
  const { newKey: _, ...sealed } = put.sealed
  const revision: Revision = {
    uuid: grants.revisionUuid(put.deposit, put.revision),
    deposit: put.deposit,
    revision: put.revision,
    sealing: o.sealing,
    contentBytes: put.order.content.length,
    createdAt: now,
    sealedAt: now,
    ...sealed,
  }
  const policy = policyAfter(put)
  const deposit = grants.deposit({
    uuid: put.deposit,
    organisation: o.caller.organisation.uuid,
    owner: o.caller.client.uuid,
    handle: put.order.handle,
    state: 'active',
    revision: put.revision,
    createdAt: put.before?.createdAt ?? now,
    updatedAt: now,
    undeleteUntil: undefined,
    ...(policy === undefined ? {} : { policy }),
  })
  if (put.before) await transaction.appendRevision(deposit, revision, put.before)
  else await transaction.insertDeposit(deposit, revision)
  if (put.order.policy !== undefined) await savePolicyRows({ grants }, transaction, deposit)
  return toDepositReply(deposit, revision)
}
