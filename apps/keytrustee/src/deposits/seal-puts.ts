/** Sealing of one or many planned puts: all, or none and the HSM keys made meanwhile are revoked again. */
import { DomainError, reached, type Uuid } from '@keyhsm/core'
import { maxSealed } from '@keyhsm/protocol'
import type { SealContext, SealedContent, Sealer } from '../sealing/sealer.js'
import type { Caller } from '../trustee.js'
import { trusteesOf } from './put-policy.js'
import type { PlannedPut } from './plan-puts.js'

export interface SealedPut extends PlannedPut {
  readonly sealed: SealedContent
}

/** Content in one call, with that of one deposit above. */
const callBytes = 1024 * 1024

/**
 * Several go to Key HSM in one call, one call after the other: its queue is for everybody.
 * @throws the first failure of {@link Sealer.sealAll}, and ERR_HSM_UNAVAILABLE when it did not answer for each put; nothing
 * more is asked for after it
 */
export async function sealPuts(
  sealer: Sealer,
  caller: Caller,
  requestId: Uuid,
  puts: readonly PlannedPut[],
): Promise<readonly SealedPut[]> {
  const done = new Map<PlannedPut, SealedPut>()
  try {
    for (const some of toCalls(puts)) {
      const results = await sealSome({ sealer, caller, requestId }, some)
      for (const [index, put] of some.entries()) {
        const sealed = results[index]
        if (sealed && !(sealed instanceof DomainError)) done.set(put, { ...put, sealed })
      }
      const failure = results.find((result) => result instanceof DomainError)
      if (failure) throw failure
      if (results.length !== some.length) throw miscounted()
    }
  } catch (error) {
    await discardKeys(sealer, requestId, [...done.values()])
    throw error
  }
  reached('put:sealed')
  return puts.flatMap((put) => done.get(put) ?? [])
}

interface Desk {
  readonly sealer: Sealer
  readonly caller: Caller
  readonly requestId: Uuid
}

/** Puts of one scope. */
async function sealSome(
  { sealer, caller, requestId }: Desk,
  puts: readonly PlannedPut[],
): Promise<readonly (SealedContent | DomainError)[]> {
  const deposits = puts.map((put) => ({
    context: contextOf(caller, put),
    content: put.order.content,
    trustees: trusteesOf(put),
  }))
  const [first] = deposits
  const shared = { requestId, scope: puts[0]?.order.scope }
  if (deposits.length > 1) return await sealer.sealAll({ ...shared, deposits })
  return first ? [await sealer.seal({ ...shared, ...first })] : []
}

/** Whose answer is missing cannot be told, so none is relied on. */
function miscounted(): DomainError {
  return new DomainError(
    'ERR_HSM_UNAVAILABLE',
    'Key HSM did not say what became of each deposit, once',
    { retryAfterMs: 1000 },
  )
}

function scopeOf(put: PlannedPut | undefined): string {
  return put?.order.scope ?? ''
}

/** By scope, and as many in each as Key HSM takes. */
function toCalls(puts: readonly PlannedPut[]): PlannedPut[][] {
  const calls: PlannedPut[][] = []
  let bytes = 0
  for (const put of [...puts].sort((a, b) => scopeOf(a).localeCompare(scopeOf(b)))) {
    const call = calls.at(-1)
    bytes += put.order.content.length
    const more = call && scopeOf(call[0]) === scopeOf(put) && call.length < maxSealed
    if (more && bytes <= callBytes) call.push(put)
    else {
      calls.push([put])
      bytes = put.order.content.length
    }
  }
  return calls
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
