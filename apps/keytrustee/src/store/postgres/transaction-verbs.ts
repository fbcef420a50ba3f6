import type { Handle, Uuid } from '@keyhsm/core'
import type {
  Client,
  Deposit,
  Join,
  Organisation,
  PendingPut,
  RequestResult,
  Revision,
  Transaction,
  Usage,
} from '../store.js'
import { insertClient, updateClient } from './clients.js'
import { appendRevision, type DepositBefore, insertDeposit, updateDeposit } from './deposits.js'
import { saveJoin } from './joins.js'
import { insertOrganisation, lockOrganisation, updateOrganisation } from './organisations.js'
import { deletePendingPut, insertPendingPut } from './pending-puts.js'
import { PostgresReader, subjectOf } from './reader.js'
import { deleteRequestsBefore, insertRequest } from './requests.js'
import { deleteHsmKeyCountsBefore, readUsage, recordHsmKeys, UsageChanges } from './usages.js'

/** {@link Transaction}'s verbs on one connection; keeps the quota changes until {@link saveUsage}. */
export class TransactionVerbs extends PostgresReader implements Transaction {
  private readonly usage = new UsageChanges()

  /** Call last, before COMMIT. */
  saveUsage(): Promise<void> {
    return this.usage.save(this.queries)
  }

  insertOrganisation(organisation: Organisation) {
    return insertOrganisation(this.queries, organisation)
  }

  updateOrganisation(organisation: Organisation) {
    return updateOrganisation(this.queries, organisation)
  }

  insertClient(client: Client) {
    return insertClient(this.queries, client)
  }

  updateClient(client: Client) {
    return updateClient(this.queries, client)
  }

  lockOrganisation(uuid: Uuid) {
    return lockOrganisation(this.queries, uuid)
  }

  async insertPendingPut(pending: PendingPut): Promise<void> {
    await insertPendingPut(this.queries, pending)
    this.usage.add(pending, countOfPending(pending))
  }

  async deletePendingPut(requestId: Uuid, client: Uuid, handle: Handle): Promise<boolean> {
    const removed = await deletePendingPut(this.queries, { requestId, client, handle })
    if (removed) this.usage.add(removed, -countOfPending(removed))
    return removed !== undefined
  }

  recordHsmKeys(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    count: number,
    at: Date,
  ): Promise<void> {
    return recordHsmKeys(this.queries, of, count, at)
  }

  deleteHsmKeyCountsBefore(instant: Date) {
    return deleteHsmKeyCountsBefore(this.queries, instant)
  }

  async insertDeposit(deposit: Deposit, first: Revision): Promise<void> {
    await insertDeposit(this.queries, deposit, first)
    this.countDeposit(deposit, countOf(deposit.state))
  }

  async appendRevision(deposit: Deposit, next: Revision): Promise<void> {
    const before = await appendRevision(this.queries, deposit, next)
    this.countDeposit(before, countOf(deposit.state) - countOf(before.state))
  }

  async updateDeposit(deposit: Deposit): Promise<void> {
    const before = await updateDeposit(this.queries, deposit)
    this.countDeposit(before, countOf(deposit.state) - countOf(before.state))
  }

  insertRequest(result: RequestResult) {
    return insertRequest(this.queries, result)
  }

  deleteRequestsBefore(instant: Date) {
    return deleteRequestsBefore(this.queries, instant)
  }

  saveJoin(join: Join) {
    return saveJoin(this.queries, join)
  }

  override async readUsage(
    of: Parameters<Transaction['readUsage']>[0],
    since: Date,
  ): Promise<Usage> {
    const subject = subjectOf(of)
    const committed = await readUsage(this.queries, subject, since)
    return { ...committed, deposits: committed.deposits + this.usage.of(subject) }
  }

  private countDeposit({ owner: client, organisation }: DepositBefore, change: number): void {
    this.usage.add({ client, organisation }, change)
  }
}

function countOf(state: Deposit['state']): number {
  return state === 'active' ? 1 : 0
}

/** Only the put of a first revision makes a new deposit. */
function countOfPending(pending: PendingPut): number {
  return pending.revision === 1 ? 1 : 0
}
