/**
 * Limits on retrievals: a use is taken by a commit before the HSM is asked. A crash may cost a use, never grant one. Given
 * back only when the HSM certainly released nothing.
 */
import { DomainError, type Uuid } from '@keyhsm/core'
import { type Grants, macText, sameText } from '../grants.js'
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
 * Decides again under the lock of the count's row, and takes one use. Two that race for the last one wait for each other.
 * @throws the refusal, `used-up` among them; ERR_INTEGRITY for a count that is not ours.
 */
export function takeUse(trustee: Trustee, facts: Facts, request?: RetrievalRequest): Promise<void> {
  return trustee.store.withTransaction(async (transaction) => {
    if (request) await takeRequest(trustee, transaction, request)
    if (facts.deposit.policy?.maxRetrievals !== undefined)
      await takeCount(trustee, transaction, facts)
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
  { grants, clock }: Trustee,
  transaction: Transaction,
  { uuid }: RetrievalRequest,
): Promise<void> {
  const request = await transaction.lockRetrievalRequest(uuid)
  const open = request?.state === 'open' && grants.believesRequest(request)
  if (!request || !open || request.expiresAt <= clock.now())
    throw new DomainError('ERR_NOT_ALLOWED', 'the approvals of this request are used or withdrawn')
  await transaction.saveRetrievalRequest(grants.request({ ...request, state: 'used' }))
}

/** Best effort: what cannot be given back now is lost to its owner, not won by anybody. */
export async function giveBackUse(
  { grants, store }: Trustee,
  { uuid: deposit, policy }: Deposit,
  taken?: RetrievalRequest,
): Promise<void> {
  const giveBack = async (transaction: Transaction) => {
    const request = taken && (await transaction.lockRetrievalRequest(taken.uuid))
    if (request?.state === 'used' && grants.believesRequest(request))
      await transaction.saveRetrievalRequest(grants.request({ ...request, state: 'open' }))
    if (policy?.maxRetrievals === undefined) return
    const used = usedOf(grants, await transaction.lockRetrievalCount(deposit))
    if (used !== undefined && used > 0)
      await transaction.saveRetrievalCount(newCount(grants, deposit, used - 1))
  }
  await store.withTransaction(giveBack).catch(() => undefined)
}
