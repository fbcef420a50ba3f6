/**
 * The first transaction of a put: everything that can refuse it is checked, then its place is taken with a pending put,
 * so that races on handles and quotas are settled before the HSM is touched.
 */
import { DomainError, newUuid, type Fingerprint, type Handle, type Uuid } from '@keyhsm/core'
import { noSuchDeposit, removedDeposit } from '../policies/decide.js'
import type { Sealer } from '../sealing/sealer.js'
import type { Deposit, Revision, RequestResult, Transaction } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'
import { otherContent } from './deposit-queue.js'
import type { PutOrder, StoreRequest } from './orders.js'
import { type Demand, readUsages, requireQuota } from './quotas.js'

/** A put whose deposit and revision are settled. */
export interface ReservedPut {
  readonly order: PutOrder
  /** The row before this put; undefined for a new deposit. */
  readonly before: Deposit | undefined
  readonly deposit: Uuid
  readonly revision: number
}

export interface ReservedRemove {
  readonly before: Deposit
  readonly latest: Revision
}

export interface Reservation {
  readonly puts: readonly ReservedPut[]
  readonly removes: readonly ReservedRemove[]
}

/**
 * Reserves, or returns the answer this request was given before.
 * @throws ERR_ALREADY_EXISTS, ERR_CONFLICT (conditions, request id), ERR_DISABLED, ERR_NOT_FOUND, ERR_QUOTA;
 * ERR_INTEGRITY when a row's grant is not ours.
 */
export function reservePuts(
  trustee: Trustee,
  caller: Caller,
  sealer: Sealer,
  { request, hash }: { readonly request: StoreRequest; readonly hash: Fingerprint },
): Promise<RequestResult | Reservation> {
  return trustee.store.withTransaction(async (transaction) => {
    const of = { client: caller.client.uuid, organisation: caller.organisation.uuid }
    await transaction.lockOrganisation(of.organisation)
    const find = (handle: Handle) => findOwn(trustee, transaction, caller, handle)
    const now = trustee.clock.now()
    // Asked at once: each answer that is waited for alone is a round trip during which no other put of the organisation
    // can begin. PostgreSQL answers them in order and after the lock is held.
    const [answer, found, usages] = await Promise.allSettled([
      findAnswer(transaction, caller, { request, hash }),
      Promise.all(request.puts.map(({ handle }) => find(handle))),
      readUsages(transaction, of, now),
    ])
    const answered = valueOf(answer)
    if (answered) return answered
    const befores = valueOf(found)
    const puts = request.puts.map((order, index) => planPut(order, befores[index]))
    const removes: ReservedRemove[] = []
    for (const handle of request.removes)
      removes.push(await planRemove(transaction, await find(handle)))
    const demand = demandOf(puts, sealer)
    requireQuota(valueOf(usages), demand, trustee.limits)
    await takePlaces(transaction, caller, { puts, requestId: request.requestId, now })
    if (demand.newHsmKeys > 0) await transaction.recordHsmKeys(of, demand.newHsmKeys, now)
    return { puts, removes }
  })
}

function valueOf<Value>(settled: PromiseSettledResult<Value>): Value {
  if (settled.status === 'rejected') throw settled.reason
  return settled.value
}

/** The answer given to this request id before. @throws ERR_CONFLICT when it was another request. */
async function findAnswer(
  transaction: Transaction,
  caller: Caller,
  { request, hash }: { readonly request: StoreRequest; readonly hash: Fingerprint },
): Promise<RequestResult | undefined> {
  const answered = await transaction.findRequest(request.requestId, caller.client.uuid)
  if (answered && answered.requestHash !== hash) throw otherContent()
  return answered
}

async function findOwn(
  { grants }: Trustee,
  transaction: Transaction,
  caller: Caller,
  handle: Handle,
): Promise<Deposit | undefined> {
  const deposit = await transaction.findDeposit({ owner: caller.client.uuid, handle })
  if (deposit && !grants.believesDeposit(deposit))
    throw new DomainError('ERR_INTEGRITY', 'the deposit cannot be replaced')
  return deposit
}

function planPut(order: PutOrder, before: Deposit | undefined): ReservedPut {
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

async function planRemove(
  transaction: Transaction,
  before: Deposit | undefined,
): Promise<ReservedRemove> {
  const latest = before && (await transaction.findRevision(before.uuid, before.revision))
  if (!before || !latest) throw noSuchDeposit()
  return { before, latest }
}

function demandOf(puts: readonly ReservedPut[], sealer: Sealer): Demand {
  return {
    newDeposits: puts.filter(({ before }) => before === undefined).length,
    newHsmKeys: puts.filter(({ order }) => sealer.makesKey(order.scope)).length,
  }
}

async function takePlaces(
  transaction: Transaction,
  caller: Caller,
  o: { readonly puts: readonly ReservedPut[]; readonly requestId: Uuid; readonly now: Date },
): Promise<void> {
  const { client, organisation } = caller
  const places = o.puts.flatMap(({ order, deposit, revision }) => [
    // Left over from a try that ended without an answer: this try takes its place, and the old one can no longer commit.
    transaction.deletePendingPut(o.requestId, client.uuid, order.handle),
    transaction.insertPendingPut({
      requestId: o.requestId,
      client: client.uuid,
      organisation: organisation.uuid,
      deposit,
      handle: order.handle,
      revision,
      contentBytes: order.content.length,
      startedAt: o.now,
    }),
  ])
  await Promise.all(places)
}
