import type { Handle, Uuid } from '@keyhsm/core'
import type {
  Client,
  Deposit,
  DepositLimits,
  DirectionRow,
  FormExchange,
  Group,
  Join,
  MigrationBegins,
  MigrationFault,
  MigrationProgress,
  Organisation,
  PendingPut,
  PutFacts,
  PutQuestion,
  RequestResult,
  RetrievalCount,
  RetrievalRequest,
  Revision,
  Revocation,
  StoredForm,
  Transaction,
  Usage,
  UsageSubject,
  Verdict,
} from '../store.js'
import { insertClient, updateClient } from './clients.js'
import {
  appendRevision,
  type DepositBefore,
  depositInsert,
  depositRow,
  updateDeposit,
} from './deposits.js'
import { saveReaders } from './deposit-readers.js'
import { requireDirection, saveDirection } from './directions.js'
import { GatheredInserts } from './gathered-inserts.js'
import { GatheredSwaps } from './gathered-swaps.js'
import { deleteGroup, saveGroup } from './groups.js'
import { deleteJoin, saveJoin } from './joins.js'
import {
  deleteMigrationFaults,
  requireAlone,
  saveMigration,
  saveMigrationFault,
} from './migration-progress.js'
import { deleteFormer, swapForm, swapFormBack } from './moves.js'
import {
  deleteOrganisation,
  insertOrganisation,
  lockOrganisation,
  updateOrganisation,
} from './organisations.js'
import { deletePendingPut, deletePendingPutsOf, insertPendingPut } from './pending-puts.js'
import type { Queries } from './queries.js'
import { PostgresReader, subjectOf } from './reader.js'
import { deleteRequestsBefore, requestInsert, requestRow } from './requests.js'
import { lockRetrievalCount, saveRetrievalCount } from './retrieval-counts.js'
import {
  deleteRetrievalRequestsBefore,
  deleteVerdict,
  lockRetrievalRequest,
  saveRetrievalRequest,
  saveVerdict,
} from './retrieval-requests.js'
import { dropStored } from './revisions.js'
import { saveRevocation } from './revocations.js'
import { deleteHsmKeyCountsBefore, recordHsmKeys, UsageChanges } from './usages.js'

/**
 * {@link Transaction}'s verbs on one connection. A verb whose only answer is success or an error is sent and not waited
 * for: PostgreSQL runs the statements of a connection in order, refuses all that follow a failed one, and turns COMMIT
 * into a roll-back. So locks are held for fewer round trips. Deposits and answers are gathered, and the quota changes are
 * kept until {@link saveUsage}.
 */
export class TransactionVerbs extends PostgresReader implements Transaction {
  private readonly usage = new UsageChanges()
  private readonly inserts: GatheredInserts
  private readonly swaps: GatheredSwaps
  private readonly locked = new Set<Uuid>()
  private readonly directed = new Set<number | undefined>()
  private readonly checked: Promise<unknown>[] = []
  private readonly unchecked: Promise<unknown>[] = []

  constructor(queries: Queries) {
    const inserts = new GatheredInserts(queries)
    super(inserts)
    this.inserts = inserts
    this.swaps = new GatheredSwaps(inserts)
  }

  /** Waits for statements that PostgreSQL does not refuse by itself when they find nothing. Call before COMMIT is sent. */
  async checkWhatWasFound(): Promise<void> {
    await Promise.all(this.checked)
  }

  /** Call last, right before COMMIT is sent. */
  saveUsage(): void {
    this.inserts.flush()
    this.sendUnchecked(this.usage.save(this.queries))
  }

  /** Waits for all answers. @throws what went wrong with a statement that was not waited for */
  async answers(): Promise<void> {
    await Promise.all([...this.checked, ...this.inserts.answers, ...this.unchecked])
  }

  async insertOrganisation(organisation: Organisation): Promise<void> {
    this.sendUnchecked(insertOrganisation(this.queries, organisation))
  }

  updateOrganisation(organisation: Organisation) {
    return updateOrganisation(this.queries, organisation)
  }

  deleteOrganisation(uuid: Uuid) {
    return deleteOrganisation(this.queries, uuid)
  }

  async insertClient(client: Client): Promise<void> {
    this.sendUnchecked(insertClient(this.queries, client))
  }

  updateClient(client: Client) {
    return updateClient(this.queries, client)
  }

  async lockOrganisation(uuid: Uuid): Promise<void> {
    if (this.locked.has(uuid)) return
    this.locked.add(uuid)
    this.sendChecked(lockOrganisation(this.queries, uuid))
  }

  async limitDeposits(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    limits: DepositLimits,
  ): Promise<void> {
    this.usage.limit(of, limits)
  }

  async insertPendingPut(pending: PendingPut): Promise<void> {
    this.sendUnchecked(insertPendingPut(this.queries, pending))
    this.usage.add(pending, countOfPending(pending))
  }

  async deletePendingPut(requestId: Uuid, client: Uuid, handle: Handle): Promise<boolean> {
    const removed = await deletePendingPut(this.queries, { requestId, client, handle })
    if (removed) this.usage.add(removed, -countOfPending(removed))
    return removed !== undefined
  }

  async recordHsmKeys(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    count: number,
    at: Date,
  ): Promise<void> {
    this.sendUnchecked(recordHsmKeys(this.queries, of, count, at))
  }

  async deleteHsmKeyCountsBefore(instant: Date): Promise<void> {
    this.sendUnchecked(deleteHsmKeyCountsBefore(this.queries, instant))
  }

  async insertDeposit(deposit: Deposit, first: Revision): Promise<void> {
    this.inserts.add(depositInsert, depositRow(deposit, first))
    this.countDeposit(deposit, countOf(deposit.state))
  }

  async appendRevision(
    deposit: Deposit,
    next: Revision,
    before: Pick<Deposit, 'grant'>,
  ): Promise<void> {
    const was = await appendRevision(this.queries, deposit, next, before)
    this.countDeposit(was, countOf(deposit.state) - countOf(was.state))
  }

  async updateDeposit(deposit: Deposit, from?: Handle): Promise<void> {
    const before = await updateDeposit(this.queries, deposit, from)
    this.countDeposit(before, countOf(deposit.state) - countOf(before.state))
  }

  async saveGroup(group: Group): Promise<void> {
    this.sendUnchecked(saveGroup(this.queries, group))
  }

  async deleteGroup(uuid: Uuid): Promise<void> {
    this.sendUnchecked(deleteGroup(this.queries, uuid))
  }

  async saveReaders(deposit: Uuid, readers: readonly Uuid[]): Promise<void> {
    this.sendUnchecked(saveReaders(this.queries, deposit, readers))
  }

  lockRetrievalCount(deposit: Uuid) {
    return lockRetrievalCount(this.queries, deposit)
  }

  async saveRetrievalCount(count: RetrievalCount): Promise<void> {
    this.sendUnchecked(saveRetrievalCount(this.queries, count))
  }

  lockRetrievalRequest(uuid: Uuid) {
    return lockRetrievalRequest(this.queries, uuid)
  }

  async saveRetrievalRequest(request: RetrievalRequest): Promise<void> {
    this.sendUnchecked(saveRetrievalRequest(this.queries, request))
  }

  deleteRetrievalRequestsBefore(instant: Date) {
    return deleteRetrievalRequestsBefore(this.queries, instant)
  }

  async saveVerdict(verdict: Verdict): Promise<void> {
    this.sendUnchecked(saveVerdict(this.queries, verdict))
  }

  async deleteVerdict(request: Uuid, trustee: Uuid): Promise<void> {
    this.sendUnchecked(deleteVerdict(this.queries, request, trustee))
  }

  async deletePendingPutsOf(deposit: Uuid): Promise<void> {
    for (const removed of await deletePendingPutsOf(this.queries, deposit))
      this.usage.add(removed, -countOfPending(removed))
  }

  async dropStored(deposit: Uuid): Promise<void> {
    this.sendUnchecked(dropStored(this.queries, deposit))
  }

  async saveRevocation(revocation: Revocation): Promise<void> {
    this.sendUnchecked(saveRevocation(this.queries, revocation))
  }

  async insertRequest(result: RequestResult): Promise<void> {
    this.inserts.add(requestInsert, requestRow(result))
  }

  deleteRequestsBefore(instant: Date) {
    return deleteRequestsBefore(this.queries, instant)
  }

  async saveJoin(join: Join): Promise<void> {
    this.sendUnchecked(saveJoin(this.queries, join))
  }

  async deleteJoin(): Promise<void> {
    this.sendUnchecked(deleteJoin(this.queries))
  }

  saveDirection(row: DirectionRow) {
    return saveDirection(this.queries, row)
  }

  async requireDirection(directed: number | undefined): Promise<void> {
    if (this.directed.has(directed)) return
    this.directed.add(directed)
    this.sendChecked(requireDirection(this.queries, directed))
  }

  async saveMigration(progress: MigrationProgress, begins?: MigrationBegins): Promise<void> {
    if (begins) await requireAlone(this.queries, progress, begins)
    this.sendUnchecked(saveMigration(this.queries, progress))
  }

  swapForm(before: Revision, next: StoredForm, exchange: FormExchange) {
    return swapForm(this.swaps, before, next, exchange)
  }

  swapBack(revision: Uuid) {
    return swapFormBack(this.queries, revision)
  }

  async deleteFormer(revisions: readonly Uuid[]): Promise<void> {
    this.sendUnchecked(deleteFormer(this.queries, revisions))
  }

  async saveMigrationFault(fault: MigrationFault): Promise<void> {
    this.sendUnchecked(saveMigrationFault(this.queries, fault))
  }

  async deleteMigrationFaults(migration: Uuid): Promise<void> {
    this.sendUnchecked(deleteMigrationFaults(this.queries, migration))
  }

  override async readUsage(of: UsageSubject, since: Date): Promise<Usage> {
    return this.withChanges(subjectOf(of), await super.readUsage(of, since))
  }

  override async findPutFacts(o: PutQuestion): Promise<PutFacts> {
    const facts = await super.findPutFacts(o)
    const client = this.withChanges(o.client, facts.client)
    return { ...facts, client, organisation: this.withChanges(o.organisation, facts.organisation) }
  }

  private withChanges(subject: Uuid, committed: Usage): Usage {
    return { ...committed, deposits: committed.deposits + this.usage.of(subject) }
  }

  private sendChecked(answer: Promise<unknown>): void {
    this.checked.push(heard(answer))
  }

  private sendUnchecked(answer: Promise<unknown>): void {
    this.unchecked.push(heard(answer))
  }

  private countDeposit({ owner: client, organisation }: DepositBefore, change: number): void {
    this.usage.add({ client, organisation }, change)
  }
}

/** A failure is thrown by who waits for it later; until then it must not count as unhandled. */
function heard(answer: Promise<unknown>): Promise<unknown> {
  answer.catch(() => undefined)
  return answer
}

function countOf(state: Deposit['state']): number {
  return state === 'active' ? 1 : 0
}

/** Only the put of a first revision makes a new deposit. */
function countOfPending(pending: PendingPut): number {
  return pending.revision === 1 ? 1 : 0
}
