import { DomainError, type Handle, type Uuid } from '@keyhsm/core'
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
  RequestResult,
  RetrievalCount,
  RetrievalRequest,
  Revision,
  Revocation,
  StoredForm,
  Transaction,
  Verdict,
} from '../store.js'
import { DirectionChanged } from '../store.js'
import { swapForm, swapFormBack } from './moves.js'
import { migratingElsewhere } from '../migrating-elsewhere.js'
import { MemoryReader } from './reader.js'
import { LimitedUsage, toMinute } from './usage.js'
import { detached, pendingPutKey, removeOrganisation, requestKey, type Tables } from './tables.js'

/** Writes into its own copy of the tables; the store swaps that copy in when the transaction commits. */
export class MemoryTransaction extends MemoryReader implements Transaction {
  private readonly tables: Tables
  private readonly limited: LimitedUsage

  constructor(tables: Tables) {
    super(() => tables)
    this.tables = tables
    this.limited = new LimitedUsage(tables)
  }

  /** Call last. @throws ERR_QUOTA */
  checkLimits(): void {
    this.limited.check()
  }

  async insertOrganisation(organisation: Organisation): Promise<void> {
    if (await this.findOrganisation({ name: organisation.name })) throw taken('organisation')
    insert(this.tables.organisations, organisation.uuid, organisation)
  }

  async updateOrganisation(organisation: Organisation): Promise<void> {
    const holder = await this.findOrganisation({ name: organisation.name })
    if (holder && holder.uuid !== organisation.uuid) throw taken('organisation')
    const before = this.tables.organisations.get(organisation.uuid)
    if (!before) throw missing()
    const { createdAt } = before
    this.tables.organisations.set(organisation.uuid, { ...organisation, createdAt })
  }

  async deleteOrganisation(uuid: Uuid): Promise<void> {
    if (!this.tables.organisations.has(uuid)) throw missing()
    const deposits = [...this.tables.deposits.values()].filter((row) => row.organisation === uuid)
    const pending = [...this.tables.pendingPuts.values()].some((row) => row.organisation === uuid)
    if (pending || deposits.some(({ state }) => state !== 'purged')) throw changedMeanwhile()
    removeOrganisation(this.tables, uuid, new Set(deposits.map((row) => row.uuid)))
  }

  async insertClient(client: Client): Promise<void> {
    await this.refuseTakenClient(client)
    if (!this.tables.organisations.has(client.organisation)) throw missing()
    insert(this.tables.clients, client.uuid, client)
  }

  async updateClient(client: Client): Promise<void> {
    await this.refuseTakenClient(client)
    const before = this.tables.clients.get(client.uuid)
    if (!before) throw missing()
    const { organisation, createdAt } = before
    this.tables.clients.set(client.uuid, { ...client, organisation, createdAt })
  }

  async lockOrganisation(uuid: Uuid): Promise<void> {
    // Transactions run one after the other here, so there is nothing to lock.
    if (!this.tables.organisations.has(uuid)) throw missing()
  }

  async limitDeposits(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    limits: DepositLimits,
  ): Promise<void> {
    this.limited.limit({ client: of.client }, limits.client)
    this.limited.limit({ organisation: of.organisation }, limits.organisation)
  }

  async insertPendingPut(pending: PendingPut): Promise<void> {
    this.requireClient(pending.client, pending.organisation)
    const key = pendingPutKey(pending.requestId, pending.client, pending.handle)
    insert(this.tables.pendingPuts, key, pending)
  }

  async deletePendingPut(requestId: Uuid, client: Uuid, handle: Handle): Promise<boolean> {
    return this.tables.pendingPuts.delete(pendingPutKey(requestId, client, handle))
  }

  async recordHsmKeys(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    count: number,
    at: Date,
  ): Promise<void> {
    this.tables.hsmKeyCounts.push({ ...of, minuteAt: toMinute(at), count })
  }

  async deleteHsmKeyCountsBefore(instant: Date): Promise<void> {
    const kept = this.tables.hsmKeyCounts.filter(({ minuteAt }) => minuteAt >= toMinute(instant))
    this.tables.hsmKeyCounts.splice(0, this.tables.hsmKeyCounts.length, ...kept)
  }

  async insertDeposit(deposit: Deposit, first: Revision): Promise<void> {
    this.requireClient(deposit.owner, deposit.organisation)
    if (await this.findDeposit(deposit)) throw taken('deposit')
    insert(this.tables.deposits, deposit.uuid, deposit)
    insert(this.tables.revisions, first.uuid, detached(first))
  }

  async appendRevision(
    deposit: Deposit,
    next: Revision,
    { grant }: Pick<Deposit, 'grant'>,
  ): Promise<void> {
    const before = this.tables.deposits.get(deposit.uuid)
    const same = before?.revision === next.revision - 1 && before.handle === deposit.handle
    if (!same || before.state !== 'active' || before.grant !== grant) throw changedMeanwhile()
    this.tables.deposits.set(deposit.uuid, withChangeable(before, deposit))
    insert(this.tables.revisions, next.uuid, detached(next))
  }

  async updateDeposit(deposit: Deposit, from?: Handle): Promise<void> {
    const before = this.tables.deposits.get(deposit.uuid)
    const same = before?.revision === deposit.revision && before.handle === (from ?? deposit.handle)
    if (!same || !leadsTo(before.state, deposit.state)) throw changedMeanwhile()
    if (from !== undefined && (await this.findDeposit(deposit))) throw taken('deposit')
    const { handle } = deposit
    this.tables.deposits.set(deposit.uuid, { ...withChangeable(before, deposit), handle })
  }

  async saveGroup(group: Group): Promise<void> {
    if (!this.tables.organisations.has(group.organisation)) throw missing()
    const holder = await this.findGroup(
      (({ organisation, name }) => ({ organisation, name }))(group),
    )
    if (holder && holder.uuid !== group.uuid) throw taken('group')
    const createdAt = this.tables.groups.get(group.uuid)?.createdAt ?? group.createdAt
    this.tables.groups.set(group.uuid, { ...group, createdAt })
  }

  async deleteGroup(uuid: Uuid): Promise<void> {
    this.tables.groups.delete(uuid)
  }

  async saveReaders(deposit: Uuid, readers: readonly Uuid[]): Promise<void> {
    this.tables.readers.set(deposit, readers)
  }

  async lockRetrievalCount(deposit: Uuid): Promise<RetrievalCount | undefined> {
    return this.tables.retrievalCounts.get(deposit)
  }

  async saveRetrievalCount(count: RetrievalCount): Promise<void> {
    this.tables.retrievalCounts.set(count.deposit, count)
  }

  async lockRetrievalRequest(uuid: Uuid): Promise<RetrievalRequest | undefined> {
    return this.tables.retrievalRequests.get(uuid)
  }

  async saveRetrievalRequest(request: RetrievalRequest): Promise<void> {
    this.requireClient(request.client, request.organisation)
    this.tables.retrievalRequests.set(request.uuid, request)
  }

  async deleteRetrievalRequestsBefore(instant: Date): Promise<number> {
    const { retrievalRequests, verdicts } = this.tables
    const old = [...retrievalRequests.values()].filter(({ expiresAt }) => expiresAt < instant)
    for (const { uuid } of old) retrievalRequests.delete(uuid)
    for (const [key, { request }] of verdicts)
      if (!retrievalRequests.has(request)) verdicts.delete(key)
    return old.length
  }

  async saveVerdict(verdict: Verdict): Promise<void> {
    if (!this.tables.retrievalRequests.has(verdict.request)) throw missing()
    this.tables.verdicts.set(`${verdict.request} ${verdict.trustee}`, verdict)
  }

  async deleteVerdict(request: Uuid, trustee: Uuid): Promise<void> {
    this.tables.verdicts.delete(`${request} ${trustee}`)
  }

  async deletePendingPutsOf(deposit: Uuid): Promise<void> {
    for (const [key, row] of this.tables.pendingPuts)
      if (row.deposit === deposit) this.tables.pendingPuts.delete(key)
  }

  async dropStored(deposit: Uuid): Promise<void> {
    for (const [uuid, row] of this.tables.revisions)
      if (row.deposit === deposit)
        this.tables.revisions.set(uuid, { ...row, stored: Buffer.alloc(0) })
    for (const [uuid, row] of this.tables.former)
      if (row.deposit === deposit) this.tables.former.delete(uuid)
  }

  async saveRevocation(revocation: Revocation): Promise<void> {
    const before = this.tables.revocations.get(revocation.deposit)
    const doneAt = before?.doneAt ?? revocation.doneAt
    this.tables.revocations.set(revocation.deposit, { ...revocation, doneAt })
  }

  async insertRequest(result: RequestResult): Promise<void> {
    insert(this.tables.requests, requestKey(result.requestId, result.client), result)
  }

  async deleteRequestsBefore(instant: Date): Promise<number> {
    const old = [...this.tables.requests].filter(([, row]) => row.createdAt < instant)
    for (const [key] of old) this.tables.requests.delete(key)
    return old.length
  }

  async saveJoin(join: Join): Promise<void> {
    this.tables.join[0] = join
  }

  async deleteJoin(): Promise<void> {
    this.tables.join.length = 0
    this.tables.direction.length = 0
  }

  async saveDirection(row: DirectionRow): Promise<void> {
    if (this.tables.join.length === 0)
      throw new DomainError('ERR_NOT_FOUND', 'nobody is joined to a Key HSM')
    this.tables.direction[0] = row
  }

  async requireDirection(directed: number | undefined): Promise<void> {
    const [found] = this.tables.direction
    if (found && found.directed !== directed) throw new DirectionChanged()
  }

  async saveMigration(progress: MigrationProgress, begins?: MigrationBegins): Promise<void> {
    const other = [...this.tables.migrations.values()].find(
      ({ uuid, state, updatedAt }) =>
        uuid !== progress.uuid &&
        begins &&
        updatedAt > begins.aliveSince &&
        !['finished', 'rolled-back'].includes(state),
    )
    if (other) throw migratingElsewhere(other.uuid)
    const { startedBy, startedAt } = this.tables.migrations.get(progress.uuid) ?? progress
    this.tables.migrations.set(progress.uuid, { ...progress, startedBy, startedAt })
  }

  async swapForm(before: Revision, next: StoredForm, exchange: FormExchange): Promise<boolean> {
    return swapForm(this.tables, before, next, exchange)
  }

  async swapBack(revision: Uuid): Promise<boolean> {
    return swapFormBack(this.tables, revision)
  }

  async deleteFormer(revisions: readonly Uuid[]): Promise<void> {
    for (const uuid of revisions) this.tables.former.delete(uuid)
  }

  async saveMigrationFault(fault: MigrationFault): Promise<void> {
    this.tables.migrationFaults.set(`${fault.migration} ${fault.revisionUuid}`, fault)
  }

  async deleteMigrationFaults(migration: Uuid): Promise<void> {
    for (const [key, fault] of this.tables.migrationFaults)
      if (fault.migration === migration) this.tables.migrationFaults.delete(key)
  }

  private requireClient(client: Uuid, organisation: Uuid): void {
    if (this.tables.clients.get(client)?.organisation !== organisation) throw missing()
  }

  private async refuseTakenClient(client: Client): Promise<void> {
    const clients = [...this.tables.clients.values()].filter(({ uuid }) => uuid !== client.uuid)
    const clash = clients.some(
      ({ keyFingerprint, organisation, name }) =>
        keyFingerprint === client.keyFingerprint ||
        (organisation === client.organisation && name === client.name),
    )
    if (clash) throw taken('client')
  }
}

function insert<Key, Row>(table: Map<Key, Row>, key: Key, row: Row): void {
  if (table.has(key)) throw taken('row')
  table.set(key, row)
}

/** A purge goes on to its end and never back. */
function leadsTo(before: Deposit['state'], after: Deposit['state']): boolean {
  if (before === 'purging') return after === 'purged' || after === 'purging'
  return before !== 'purged'
}

/** Identity, owner and creation of a deposit never change. */
function withChangeable(before: Deposit, after: Deposit): Deposit {
  const { state, revision, updatedAt, undeleteUntil, policy, grant } = after
  const { policy: _, ...rest } = before
  const row = { ...rest, state, revision, updatedAt, undeleteUntil, grant }
  return policy === undefined ? row : { ...row, policy }
}

function taken(what: string): DomainError {
  return new DomainError('ERR_ALREADY_EXISTS', `the ${what} exists already`)
}

function missing(): DomainError {
  return new DomainError('ERR_NOT_FOUND', 'it, or what it belongs to, is not there')
}

function changedMeanwhile(): DomainError {
  return new DomainError('ERR_CONFLICT', 'it was changed meanwhile')
}
