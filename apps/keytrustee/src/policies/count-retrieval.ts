/**
 * Limits on retrievals: a use is taken by a commit before the HSM is asked. A crash may cost a use, never grant one. Given
 * back only when the HSM certainly released nothing.
 */
import { DomainError, type Uuid } from '@keyhsm/core'
import { type Grants, macText, sameText } from '../grants.js'
import type { RetrievalCount, Transaction } from '../store/store.js'
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
export function takeUse(trustee: Trustee, facts: Facts): Promise<void> {
  const { grants, store } = trustee
  const { uuid } = facts.deposit
  return store.withTransaction(async (transaction) => {
    const used = usedOf(grants, await transaction.lockRetrievalCount(uuid))
    if (used === undefined)
      throw new DomainError('ERR_INTEGRITY', 'the count of retrievals cannot be believed')
    const decision = decide({ ...facts, used })
    if (!decision.allowed) throw refusal(decision.reason, facts.deposit)
    await transaction.saveRetrievalCount(newCount(grants, uuid, used + 1))
  })
}

/** Best effort: what cannot be given back now is lost to its owner, not won by anybody. */
export async function giveBackUse({ grants, store }: Trustee, deposit: Uuid): Promise<void> {
  const giveBack = async (transaction: Transaction) => {
    const used = usedOf(grants, await transaction.lockRetrievalCount(deposit))
    if (used !== undefined && used > 0)
      await transaction.saveRetrievalCount(newCount(grants, deposit, used - 1))
  }
  await store.withTransaction(giveBack).catch(() => undefined)
}
