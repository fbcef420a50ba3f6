/** Some deposits into one place, several at a time: those that are not sealed are sealed, the others sealed anew. */
import { type DomainError, toDomainError, type Uuid } from '@keyhsm/core'
import type { CallOptions } from '@keyhsm/hsm'
import type { Caller, Workshop } from './caller.js'
import { GatheredOutcomes } from './gathered-outcomes.js'
import { resealDeposit, type ResealRequest, type ResealTarget } from './reseal-deposit.js'
import { sealDeposit, type Sealed, type SealRequest } from './seal-deposit.js'

export type ToMove =
  | Pick<SealRequest, 'context' | 'content' | 'trustees'>
  | Pick<ResealRequest, 'context' | 'sealed' | 'canary'>

export interface MoveRequest {
  readonly requestId: Uuid
  readonly deposits: readonly ToMove[]
  readonly target: ResealTarget
}

/** Each has its own entries in the audit, and its own error: the others are moved all the same. Never throws. */
export function moveDeposits(
  workshop: Workshop,
  caller: Caller,
  { requestId, deposits, target }: MoveRequest,
  options: CallOptions = {},
): Promise<readonly (Sealed | DomainError)[]> {
  const { otherKey: _, ...place } = target
  const outcomes = new GatheredOutcomes(workshop.audit, deposits.length)
  const move = (deposit: ToMove) =>
    outcomes.during(async (audit) => {
      const within = { ...workshop, audit }
      return 'sealed' in deposit
        ? await resealDeposit(within, caller, { requestId, ...deposit, target }, options)
        : await sealDeposit(
            within,
            caller,
            { requestId, ...deposit, ...place, verified: true },
            options,
          )
    })
  return Promise.all(deposits.map((deposit) => move(deposit).catch(toDomainError)))
}
