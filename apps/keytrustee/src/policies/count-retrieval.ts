/**
 * Limits on retrievals: a use is taken by a commit before the HSM is asked. A crash may cost a use, never grant one. Given
 * back only when the HSM certainly released nothing.
 */
import { DomainError, type Uuid } from '@keyhsm/core'
import { type Grants, macText, sameText } from '../grants.js'
import { type Approved, lockApproved } from '../requests/find-approved.js'
import type { Deposit, RetrievalCount, RetrievalRequest, Transaction } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { decide, type Facts, refusal } from './decide.js'

/** The row of a deposit whose retrievals are counted from now on. */
export function newCount(grants: Grants, deposit: Uuid, used = 0): RetrievalCount {
  return { deposit, used, grant: macText(grants.mac('count', [deposit, used])) }
}

/** Uses so far; undefined when the row is missing or not ours: then nothing is left. */
export function usedOf(grants: Grants, count: RetrievalCount | undefined): number | undefined {
  if (!count) return undefined
  const { deposit, used, grant } = count
  return sameText(grant, newCount(grants, deposit, used).grant) ? used : undefined
}

/**
 * Decides again under the locks of the request's and the count's rows, and takes one use. Two that race for the last one wait
 * for each other. @returns the approvals that count, for Key HSM
 * @throws the refusal, `used-up` and `approval-needed` among them; ERR_NOT_ALLOWED for a request that is over; ERR_INTEGRITY
 * for a count that is not ours.
 */
export function takeUse(
  trustee: Trustee,
  facts: Facts,
  approved?: Approved,
): Promise<Approved | undefined> {
  return trustee.store.withTransaction(async (transaction) => {
    const now = approved && (await takeRequest(trustee, transaction, { facts, approved }))
    if (facts.deposit.policy?.maxRetrievals !== undefined)
      await takeCount(trustee, transaction, facts)
    return now
  })
}

async function takeCount(
  { grants }: Trustee,
  transaction: Transaction,
  facts: Facts,
): Promise<void> {
  const { uuid } = facts.deposit
  const used = usedOf(grants, await transaction.lockRetrievalCount(uuid))
  if (used === undefined)
    throw new DomainError('ERR_INTEGRITY', 'the count of retrievals cannot be believed')
  const decision = decide({ ...facts, used })
  if (!decision.allowed) throw refusal(decision.reason, facts.deposit)
  await transaction.saveRetrievalCount(newCount(grants, uuid, used + 1))
}

/** An approval is used once: whoever commits this first has it. */
async function takeRequest(
  trustee: Trustee,
  transaction: Transaction,
  { facts, approved }: { readonly facts: Facts; readonly approved: Approved },
): Promise<Approved> {
  const now = await lockApproved(trustee, transaction, approved)
  const decision = decide({ ...facts, approvals: now.approvals.length })
  if (!decision.allowed) throw refusal(decision.reason, facts.deposit)
  await transaction.saveRetrievalRequest(trustee.grants.request({ ...now.request, state: 'used' }))
  return now
}

/**
 * Best effort: what cannot be given back now is lost to its owner, not won by anybody.
 * @param deposit as it was when the use was taken
 */
export async function giveBackUse(
  trustee: Trustee,
  deposit: Deposit,
  taken?: RetrievalRequest,
): Promise<void> {
  const giveBack = async (transaction: Transaction) => {
    if (taken) await giveBackRequest(trustee, transaction, taken)
    if (deposit.policy?.maxRetrievals !== undefined)
      await giveBackCount(trustee, transaction, deposit)
  }
  await trustee.store.withTransaction(giveBack).catch(() => undefined)
}

async function giveBackRequest(
  { grants }: Trustee,
  transaction: Transaction,
  { uuid }: RetrievalRequest,
): Promise<void> {
  const request = await transaction.lockRetrievalRequest(uuid)
  if (request?.state === 'used' && grants.believesRequest(request))
    await transaction.saveRetrievalRequest(grants.request({ ...request, state: 'open' }))
}

async function giveBackCount(
  { grants }: Trustee,
  transaction: Transaction,
  { uuid, updatedAt }: Deposit,
): Promise<void> {
  const used = usedOf(grants, await transaction.lockRetrievalCount(uuid))
  const now = (await transaction.findDepositByUuid(uuid))?.deposit
  // A policy that was set meanwhile began a count of its own, of which this use was none.
  if (now?.updatedAt.getTime() !== updatedAt.getTime()) return
  if (used !== undefined && used > 0)
    await transaction.saveRetrievalCount(newCount(grants, uuid, used - 1))
}
