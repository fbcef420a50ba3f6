/** Sealing of one or many planned puts: all, or none and the HSM keys made meanwhile are revoked again. */
import { reached, type Uuid } from '@keyhsm/core'
import type { SealContext, SealedContent, Sealer } from '../sealing/sealer.js'
import type { Caller } from '../trustee.js'
import { trusteesOf } from './put-policy.js'
import type { PlannedPut } from './plan-puts.js'

export interface SealedPut extends PlannedPut {
  readonly sealed: SealedContent
}

/** Seals of one batch that run at once; Key HSM's queue is for everybody. */
const concurrentSeals = 8

/** @throws the first failure of {@link Sealer.seal}, after all the others have ended. */
export async function sealPuts(
  sealer: Sealer,
  caller: Caller,
  requestId: Uuid,
  puts: readonly PlannedPut[],
): Promise<readonly SealedPut[]> {
  const waiting = [...puts.entries()]
  const done: SealedPut[] = []
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next && failures.length === 0; next = waiting.shift()) {
      const [index, put] = next
      const { content, scope } = put.order
      const context = contextOf(caller, put)
      const trustees = trusteesOf(put)
      await sealer.seal({ requestId, context, scope, content, trustees }).then(
        (sealed) => {
          done[index] = { ...put, sealed }
        },
        (error: unknown) => failures.push(error),
      )
    }
  }
  await Promise.all(Array.from({ length: concurrentSeals }, worker))
  if (failures.length > 0) {
    await discardKeys(sealer, requestId, done)
    throw failures[0]
  }
  reached('put:sealed')
  return done
}

/** The new HSM keys of deposits that were certainly not stored. What cannot be revoked now is left to prune. */
export async function discardKeys(
  sealer: Sealer,
  requestId: Uuid,
  puts: readonly SealedPut[],
): Promise<void> {
  const keys = puts.flatMap(({ sealed }) =>
    sealed.newKey && sealed.hsmKeyId !== undefined
      ? [{ id: sealed.hsmKeyId, canary: sealed.canary }]
      : [],
  )
  await Promise.allSettled(keys.map((key) => sealer.revoke(requestId, key, 'discard')))
}

export function contextOf(
  caller: Caller,
  put: Pick<PlannedPut, 'order' | 'deposit' | 'revision'>,
): SealContext {
  return {
    organisation: caller.organisation.uuid,
    deposit: put.deposit,
    handle: put.order.handle,
    revision: put.revision,
  }
}
