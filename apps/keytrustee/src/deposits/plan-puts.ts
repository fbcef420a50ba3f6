/** What a put or a batch will do: everything that can refuse it is checked before the HSM is touched. */
import { DomainError, type Fingerprint, type Handle, newUuid, type Uuid } from '@keyhsm/core'
import { noSuchDeposit, removedDeposit } from '../policies/decide.js'
import type { Sealer } from '../sealing/sealer.js'
import type { Deposit, Reader, RequestResult, Revision } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { otherContent } from './deposit-queue.js'
import type { PutOrder, StoreRequest } from './orders.js'
import { type Demand, readUsages, requireQuota } from './quotas.js'

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
  const find = (handle: Handle) => findOwn(trustee, reader, caller, handle)
  // Asked at once: each answer that is waited for alone is a round trip during which no other put of the organisation
  // can begin. In a transaction PostgreSQL answers them in order, after the lock is held.
  const [answer, found, usages] = await Promise.allSettled([
    findAnswer(reader, caller, asked),
    Promise.all(request.puts.map(({ handle }) => find(handle))),
    readUsages(reader, uuidsOf(caller), trustee.clock.now()),
  ])
  const answered = valueOf(answer)
  if (answered) return answered
  const befores = valueOf(found)
  const puts = request.puts.map((order, index) => planPut(order, befores[index]))
  const removes: PlannedRemove[] = []
  for (const handle of request.removes) removes.push(await planRemove(reader, await find(handle)))
  const demand = demandOf(puts, sealer)
  requireQuota(valueOf(usages), demand, trustee.limits)
  return { puts, removes, demand }
}

export function uuidsOf({ client, organisation }: Caller): {
  readonly client: Uuid
  readonly organisation: Uuid
} {
  return { client: client.uuid, organisation: organisation.uuid }
}

function valueOf<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === 'rejected') throw settled.reason
  return settled.value
}

/** The answer given to this request id before. @throws ERR_CONFLICT when it was another request. */
async function findAnswer(
  reader: Reader,
  caller: Caller,
  { request, hash }: Pick<Asked, 'request' | 'hash'>,
): Promise<RequestResult | undefined> {
  const answered = await reader.findRequest(request.requestId, caller.client.uuid)
  if (answered && answered.requestHash !== hash) throw otherContent()
  return answered
}

async function findOwn(
  { grants }: Trustee,
  reader: Reader,
  caller: Caller,
  handle: Handle,
): Promise<Deposit | undefined> {
  const deposit = await reader.findDeposit({ owner: caller.client.uuid, handle })
  if (deposit && !grants.believesDeposit(deposit))
    throw new DomainError('ERR_INTEGRITY', 'the deposit cannot be replaced')
  return deposit
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
