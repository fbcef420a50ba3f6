/** What a put or a batch will do: everything that can refuse it is checked before the HSM is touched. */
import { DomainError, type Fingerprint, newUuid, type Uuid } from '@keyhsm/core'
import { noSuchDeposit, removedDeposit } from '../policies/decide.js'
import type { Sealer } from '../sealing/sealer.js'
import type { Deposit, Reader, RequestResult, Revision } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { otherContent } from './deposit-queue.js'
import type { PutOrder, StoreRequest } from './orders.js'
import { type Demand, hsmKeyWindowMs, requireQuota } from './quotas.js'

/** A put whose deposit and revision are settled. */
export interface PlannedPut {
  readonly order: PutOrder
  /** The row before this put; undefined for a new deposit. */
  readonly before: Deposit | undefined
  readonly deposit: Uuid
  readonly revision: number
}

export interface PlannedRemove {
  readonly before: Deposit
  readonly latest: Revision
}

export interface Plan {
  readonly puts: readonly PlannedPut[]
  readonly removes: readonly PlannedRemove[]
  readonly demand: Demand
}

export interface Asked {
  readonly request: StoreRequest
  readonly hash: Fingerprint
  readonly sealer: Sealer
}

/**
 * Plans, or returns the answer this request was given before.
 * @param reader outside of a transaction what it finds may change at once: the commit looks again
 * @throws ERR_ALREADY_EXISTS, ERR_CONFLICT (conditions, request id), ERR_DISABLED, ERR_NOT_FOUND, ERR_QUOTA;
 * ERR_INTEGRITY when a row's grant is not ours.
 */
export async function planPuts(
  trustee: Trustee,
  reader: Reader,
  caller: Caller,
  asked: Asked,
): Promise<RequestResult | Plan> {
  const { request, sealer } = asked
  const facts = await reader.findPutFacts({
    requestId: request.requestId,
    ...uuidsOf(caller),
    handles: [...request.puts.map(({ handle }) => handle), ...request.removes],
    since: new Date(trustee.clock.now().getTime() - hsmKeyWindowMs),
  })
  if (facts.answer) return sameRequest(facts.answer, asked)
  const befores = new Map(facts.deposits.map((deposit) => [deposit.handle, deposit]))
  for (const before of befores.values()) requireOwn(trustee, before)
  const puts = request.puts.map((order) => planPut(order, befores.get(order.handle)))
  const removes: PlannedRemove[] = []
  for (const handle of request.removes) removes.push(await planRemove(reader, befores.get(handle)))
  const demand = demandOf(puts, sealer)
  requireQuota(facts, demand, trustee.limits)
  return { puts, removes, demand }
}

export function uuidsOf({ client, organisation }: Caller): {
  readonly client: Uuid
  readonly organisation: Uuid
} {
  return { client: client.uuid, organisation: organisation.uuid }
}

/** @throws ERR_CONFLICT when it was another request */
function sameRequest(answer: RequestResult, { hash }: Pick<Asked, 'hash'>): RequestResult {
  if (answer.requestHash !== hash) throw otherContent()
  return answer
}

/** @throws ERR_INTEGRITY */
function requireOwn({ grants }: Trustee, deposit: Deposit): void {
  if (!grants.believesDeposit(deposit))
    throw new DomainError('ERR_INTEGRITY', 'the deposit cannot be replaced')
}

function planPut(order: PutOrder, before: Deposit | undefined): PlannedPut {
  requireConditions(order, before)
  if (!before) return { order, before, deposit: newUuid(), revision: 1 }
  return { order, before, deposit: before.uuid, revision: before.revision + 1 }
}

function requireConditions(order: PutOrder, before: Deposit | undefined): void {
  if (before && before.state !== 'active') throw removedDeposit(before)
  if (before && order.onlyNew)
    throw new DomainError('ERR_ALREADY_EXISTS', `the handle ${order.handle} is taken`)
  if (order.replaces !== undefined && order.replaces !== before?.revision)
    throw new DomainError('ERR_CONFLICT', 'the deposit has another revision than If-Match says')
}

async function planRemove(reader: Reader, before: Deposit | undefined): Promise<PlannedRemove> {
  const latest = before && (await reader.findRevision(before.uuid, before.revision))
  if (!before || !latest) throw noSuchDeposit()
  return { before, latest }
}

function demandOf(puts: readonly PlannedPut[], sealer: Sealer): Demand {
  return {
    newDeposits: puts.filter(({ before }) => before === undefined).length,
    newHsmKeys: puts.filter(({ order }) => sealer.makesKey(order.scope)).length,
  }
}
