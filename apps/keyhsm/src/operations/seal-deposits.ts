/** Sealing several deposits that one request brought. */
import { type DomainError, toDomainError } from '@keyhsm/core'
import type { CallOptions } from '@keyhsm/hsm'
import type { Caller, Workshop } from './caller.js'
import { GatheredOutcomes } from './gathered-outcomes.js'
import { sealDeposit, type Sealed, type SealRequest } from './seal-deposit.js'

export type ToSeal = Pick<SealRequest, 'context' | 'content' | 'trustees'>

export interface SealsRequest extends Omit<SealRequest, keyof ToSeal | 'verified'> {
  readonly deposits: readonly ToSeal[]
}

/** Each has its own entries in the audit, and its own error: the others are sealed all the same. Never throws. */
export function sealDeposits(
  workshop: Workshop,
  caller: Caller,
  { deposits, ...shared }: SealsRequest,
  options: CallOptions = {},
): Promise<readonly (Sealed | DomainError)[]> {
  const outcomes = new GatheredOutcomes(workshop.audit, deposits.length)
  const seal = (deposit: ToSeal) =>
    outcomes.during((audit) =>
      sealDeposit({ ...workshop, audit }, caller, { ...shared, ...deposit }, options),
    )
  return Promise.all(deposits.map((deposit) => seal(deposit).catch(toDomainError)))
}
