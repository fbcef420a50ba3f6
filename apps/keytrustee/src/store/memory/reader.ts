import type { Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type {
  CallerRows,
  Client,
  Deposit,
  DepositPage,
  DirectionRow,
  Group,
  Join,
  MigrationFault,
  MigrationProgress,
  Organisation,
  PendingPut,
  Reader,
  PutFacts,
  PutQuestion,
  RetrievalCount,
  RetrievalRequest,
  Revision,
  RevisionMeta,
  Revocation,
  Verdict,
} from '../store.js'
import { findCaller, findClient, listOrganisations } from './identities.js'
import {
  countToMove,
  findHsmKeyUses,
  listFormer,
  listMigrationFaults,
  listMigrations,
  listToMove,
} from './moves.js'
import { findPutFacts, readBacklog, readUsage } from './usage.js'
import { compareText, detached, type HsmKeyUses, type Tables } from './tables.js'

function toMeta(revision: Revision): RevisionMeta {
  const { stored: _stored, ...meta } = revision
  return meta
}

/** Answers {@link Reader} from whatever tables `current` returns. */
export class MemoryReader implements Reader {
  protected readonly current: () => Tables

  constructor(current: () => Tables) {
    this.current = current
  }

  async findOrganisation(
    by: { readonly uuid: Uuid } | { readonly name: string },
  ): Promise<Organisation | undefined> {
    const { organisations } = this.current()
    if ('uuid' in by) return organisations.get(by.uuid)
    return [...organisations.values()].find((organisation) => organisation.name === by.name)
  }

  async listOrganisations(page?: Parameters<Reader['listOrganisations']>[0]) {
    return listOrganisations(this.current(), page)
  }

  async findClient(by: Parameters<Reader['findClient']>[0]) {
    return findClient(this.current(), by)
  }

  async findCaller(client: Uuid): Promise<CallerRows | undefined> {
    return findCaller(this.current(), client)
  }

  async findGroup(by: Parameters<Reader['findGroup']>[0]): Promise<Group | undefined> {
    const { groups } = this.current()
    if ('uuid' in by) return groups.get(by.uuid)
    return [...groups.values()].find(
      ({ organisation, name }) => organisation === by.organisation && name === by.name,
    )
  }

  async listGroups(organisation: Uuid): Promise<readonly Group[]> {
    return [...this.current().groups.values()]
      .filter((group) => group.organisation === organisation)
      .sort((a, b) => compareText(a.name, b.name))
  }

  async listGroupsOf(client: Uuid): Promise<readonly Group[]> {
    return [...this.current().groups.values()].filter(({ members }) => members.includes(client))
  }

  async findRetrievalCount(deposit: Uuid): Promise<RetrievalCount | undefined> {
    return this.current().retrievalCounts.get(deposit)
  }

  async findRetrievalRequest(uuid: Uuid): Promise<RetrievalRequest | undefined> {
    return this.current().retrievalRequests.get(uuid)
  }

  async listRetrievalRequests(
    o: Parameters<Reader['listRetrievalRequests']>[0],
  ): Promise<readonly RetrievalRequest[]> {
    const rows = [...this.current().retrievalRequests.values()]
      .filter((row) => row.organisation === o.organisation && row.expiresAt > o.after)
      .sort(
        (a, b) =>
          a.expiresAt.getTime() - b.expiresAt.getTime() ||
          Buffer.compare(Buffer.from(a.uuid), Buffer.from(b.uuid)),
      )
    if (o.behind === undefined) return rows.slice(0, o.limit)
    const last = rows.findIndex(({ uuid }) => uuid === o.behind)
    return last < 0 ? [] : rows.slice(last + 1, last + 1 + o.limit)
  }

  async listVerdicts(request: Uuid): Promise<readonly Verdict[]> {
    return [...this.current().verdicts.values()]
      .filter((row) => row.request === request)
      .sort((a, b) => a.decidedAt.getTime() - b.decidedAt.getTime())
  }

  async findShared(
    client: Pick<Client, 'uuid' | 'organisation'>,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined> {
    const { deposits, readers } = this.current()
    const own = [client.uuid, ...(await this.listGroupsOf(client.uuid)).map(({ uuid }) => uuid)]
    const named = ({ uuid, organisation }: Deposit) =>
      organisation === client.organisation &&
      (readers.get(uuid)?.some((reader) => own.includes(reader)) ?? false)
    if ('uuid' in ref) {
      const found = await this.findDepositByUuid(ref.uuid)
      if (!found || !named(found.deposit)) return undefined
      const revision = this.revisionOf(found.deposit.uuid, found.revision)
      return revision && { deposit: found.deposit, revision: detached(revision) }
    }
    const [deposit, ...others] = [...deposits.values()].filter(
      (row) => row.handle === ref.handle && row.state !== 'purged' && named(row),
    )
    const revision = deposit && this.revisionOf(deposit.uuid, deposit.revision)
    if (!deposit || !revision || others.length > 0) return undefined
    return { deposit, revision: detached(revision) }
  }

  async listClients(filter: Parameters<Reader['listClients']>[0]): Promise<readonly Client[]> {
    const sorted = [...this.current().clients.values()].sort(
      (a, b) => compareText(a.organisation, b.organisation) || compareText(a.name, b.name),
    )
    const before = sorted.findIndex(({ uuid }) => uuid === filter.after)
    if (filter.after !== undefined && before < 0) return []
    return sorted
      .slice(before + 1)
      .filter(
        ({ organisation, state }) =>
          organisation === (filter.organisation ?? organisation) &&
          state === (filter.state ?? state),
      )
      .slice(0, filter.limit)
  }

  async findDeposit(by: {
    readonly owner: Uuid
    readonly handle: Handle
  }): Promise<Deposit | undefined> {
    return [...this.current().deposits.values()].find(
      ({ owner, handle, state }) =>
        owner === by.owner && handle === by.handle && state !== 'purged',
    )
  }

  async findDepositByUuid(
    uuid: Uuid,
  ): Promise<{ readonly deposit: Deposit; readonly revision: number } | undefined> {
    const { deposits, revisions } = this.current()
    const own = deposits.get(uuid)
    if (own) return { deposit: own, revision: own.revision }
    const revision = revisions.get(uuid)
    const deposit = revision && deposits.get(revision.deposit)
    return deposit && revision && { deposit, revision: revision.revision }
  }

  async findRevision(deposit: Uuid, revision: number): Promise<Revision | undefined> {
    const found = this.revisionOf(deposit, revision)
    return found && detached(found)
  }

  async findRevisionMeta(deposit: Uuid, revision: number): Promise<RevisionMeta | undefined> {
    const found = this.revisionOf(deposit, revision)
    return found && toMeta(found)
  }

  async findForRetrieval(
    owner: Uuid,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined> {
    const found =
      'handle' in ref
        ? await this.findDeposit({ owner, handle: ref.handle })
        : await this.findDepositByUuid(ref.uuid)
    if (!found) return undefined
    const { deposit, revision: number } =
      'deposit' in found ? found : { deposit: found, revision: found.revision }
    const revision = this.revisionOf(deposit.uuid, number)
    if (deposit.owner !== owner || !revision) return undefined
    return { deposit, revision: detached(revision) }
  }

  async listRevisions(deposit: Uuid): Promise<readonly RevisionMeta[]> {
    return [...this.current().revisions.values()]
      .filter((row) => row.deposit === deposit)
      .sort((a, b) => a.revision - b.revision)
      .map(toMeta)
  }

  async listByHandle(handle: Handle, limit: number): Promise<readonly Deposit[]> {
    return [...this.current().deposits.values()]
      .filter((row) => row.handle === handle && row.state !== 'purged')
      .slice(0, limit)
  }

  async listPurging(): Promise<readonly Deposit[]> {
    return [...this.current().deposits.values()].filter(({ state }) => state === 'purging')
  }

  async findRevocation(deposit: Uuid): Promise<Revocation | undefined> {
    return this.current().revocations.get(deposit)
  }

  async listRevocations(limit: number, after?: Uuid): Promise<readonly Revocation[]> {
    const sorted = [...this.current().revocations.values()].sort(
      (a, b) => b.orderedAt.getTime() - a.orderedAt.getTime() || compareText(b.deposit, a.deposit),
    )
    const before = sorted.findIndex(({ deposit }) => deposit === after)
    if (after !== undefined && before < 0) return []
    return sorted.slice(before + 1, before + 1 + limit)
  }

  async listDeposits(filter: {
    readonly owner?: Uuid
    readonly organisation?: Uuid
    readonly after?: Handle
    readonly limit: number
  }): Promise<DepositPage> {
    const matching = [...this.current().deposits.values()]
      .filter(
        ({ owner, organisation, handle, state }) =>
          state !== 'purged' &&
          owner === (filter.owner ?? owner) &&
          organisation === (filter.organisation ?? organisation) &&
          (filter.after === undefined || handle > filter.after),
      )
      .sort((a, b) => compareText(a.handle, b.handle) || compareText(a.owner, b.owner))
    const last = matching[filter.limit - 1]?.handle
    const page = last === undefined ? matching : matching.filter(({ handle }) => handle <= last)
    return {
      deposits: page.flatMap((deposit) => this.withLatest(deposit)),
      next: matching.length > page.length ? last : undefined,
    }
  }

  async countDeposits(): Promise<number> {
    return [...this.current().deposits.values()].filter(({ state }) => state === 'active').length
  }

  async findHsmKeyUses(ids: readonly HsmKeyId[], usesPerKey = Infinity): Promise<HsmKeyUses> {
    return findHsmKeyUses(this.current(), ids, usesPerKey)
  }

  async listHsmKeyIds(o: {
    readonly after?: HsmKeyId
    readonly limit: number
  }): Promise<readonly HsmKeyId[]> {
    const { deposits, revisions } = this.current()
    const ids = new Set<HsmKeyId>()
    for (const { hsmKeyId, deposit } of revisions.values())
      if (hsmKeyId !== undefined && deposits.get(deposit)?.state !== 'purged') ids.add(hsmKeyId)
    const ordered = [...ids].sort(compareText)
    return ordered.filter((id) => id > (o.after ?? '')).slice(0, o.limit)
  }

  async countSealedAfter(instant: Date): Promise<number> {
    const { revisions } = this.current()
    return [...revisions.values()].filter(
      ({ hsmKeyId, createdAt }) => hsmKeyId !== undefined && createdAt > instant,
    ).length
  }

  async listPendingPuts(): Promise<readonly PendingPut[]> {
    return [...this.current().pendingPuts.values()].sort(
      (a, b) => a.startedAt.getTime() - b.startedAt.getTime() || compareText(a.handle, b.handle),
    )
  }

  async findPutFacts(question: PutQuestion): Promise<PutFacts> {
    return findPutFacts(this.current(), question)
  }

  async findDirection(): Promise<DirectionRow | undefined> {
    return this.current().direction[0]
  }

  async findJoin(): Promise<Join | undefined> {
    return this.current().join[0]
  }

  async findMigration(uuid: Uuid): Promise<MigrationProgress | undefined> {
    return this.current().migrations.get(uuid)
  }

  async listMigrations(limit: number): Promise<readonly MigrationProgress[]> {
    return listMigrations(this.current(), limit)
  }

  async countToMove(selection: Parameters<Reader['countToMove']>[0]) {
    return countToMove(this.current(), selection)
  }

  async listToMove(...given: Parameters<Reader['listToMove']>) {
    return listToMove(this.current(), ...given)
  }

  async countMigrationFaults(migration: Uuid): Promise<number> {
    return listMigrationFaults(this.current(), migration, Infinity).length
  }

  async listMigrationFaults(migration: Uuid, limit: number): Promise<readonly MigrationFault[]> {
    return listMigrationFaults(this.current(), migration, limit)
  }

  async listFormer(filter: Parameters<Reader['listFormer']>[0]) {
    return listFormer(this.current(), filter)
  }

  async findFormerStored(revision: Uuid) {
    return this.current().former.get(revision)?.stored
  }

  async readUsage(...given: Parameters<Reader['readUsage']>) {
    return readUsage(this.current(), ...given)
  }

  async readBacklog(o: Parameters<Reader['readBacklog']>[0]) {
    return readBacklog(this.current(), o)
  }

  private revisionOf(deposit: Uuid, number: number): Revision | undefined {
    return [...this.current().revisions.values()].find(
      (row) => row.deposit === deposit && row.revision === number,
    )
  }

  private withLatest(deposit: Deposit): DepositPage['deposits'] {
    const revision = this.revisionOf(deposit.uuid, deposit.revision)
    return revision ? [{ ...deposit, latest: toMeta(revision) }] : []
  }
}
