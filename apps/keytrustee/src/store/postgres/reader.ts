import type { Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { PutQuestion, Reader, Usage, UsageSubject } from '../store.js'
import { readBacklog } from './backlog.js'
import { findCaller } from './callers.js'
import { findClient, listClients } from './clients.js'
import { findShared } from './deposit-readers.js'
import { countDeposits, findDeposit, findDepositByUuid, findForRetrieval } from './deposits.js'
import { listByHandle, listDeposits, listPurging } from './deposit-lists.js'
import { findGroup, listGroups, listGroupsOf } from './groups.js'
import { findDirection } from './directions.js'
import { findJoin } from './joins.js'
import { findOrganisation, listOrganisations } from './organisations.js'
import {
  countMigrationFaults,
  findMigration,
  listMigrationFaults,
  listMigrations,
} from './migration-progress.js'
import { countToMove, findFormerStored, listFormer, listToMove } from './moves.js'
import { listPendingPuts } from './pending-puts.js'
import { findPutFacts } from './put-facts.js'
import type { Queries } from './queries.js'
import { findHsmKeyUses, findRevision, findRevisionMeta, listRevisions } from './revisions.js'
import { countSealedAfter, listHsmKeyIds } from './sealed-revisions.js'
import { findRetrievalCount } from './retrieval-counts.js'
import { findRetrievalRequest, listRetrievalRequests, listVerdicts } from './retrieval-requests.js'
import { findRevocation, listRevocations } from './revocations.js'
import { readUsage } from './usages.js'

type Filter<Verb extends keyof Reader> = Parameters<Reader[Verb]>[0]

/** {@link Reader}'s verbs, each one statement of its table's file on these queries. */
export class PostgresReader implements Reader {
  protected readonly queries: Queries

  constructor(queries: Queries) {
    this.queries = queries
  }

  findOrganisation(by: Filter<'findOrganisation'>) {
    return findOrganisation(this.queries, by)
  }

  listOrganisations(page?: Filter<'listOrganisations'>) {
    return listOrganisations(this.queries, page)
  }

  findClient(by: Filter<'findClient'>) {
    return findClient(this.queries, by)
  }

  findCaller(client: Uuid) {
    return findCaller(this.queries, client)
  }

  listClients(filter: Filter<'listClients'>) {
    return listClients(this.queries, filter)
  }

  findDeposit(by: Filter<'findDeposit'>) {
    return findDeposit(this.queries, by)
  }

  findDepositByUuid(uuid: Uuid) {
    return findDepositByUuid(this.queries, uuid)
  }

  findRevision(deposit: Uuid, revision: number) {
    return findRevision(this.queries, deposit, revision)
  }

  findRevisionMeta(deposit: Uuid, revision: number) {
    return findRevisionMeta(this.queries, deposit, revision)
  }

  findForRetrieval(owner: Uuid, ref: { readonly handle: Handle } | { readonly uuid: Uuid }) {
    return findForRetrieval(this.queries, owner, ref)
  }

  listDeposits(filter: Filter<'listDeposits'>) {
    return listDeposits(this.queries, filter)
  }

  findGroup(by: Filter<'findGroup'>) {
    return findGroup(this.queries, by)
  }

  listGroups(organisation: Uuid) {
    return listGroups(this.queries, organisation)
  }

  listGroupsOf(client: Uuid) {
    return listGroupsOf(this.queries, client)
  }

  findRetrievalCount(deposit: Uuid) {
    return findRetrievalCount(this.queries, deposit)
  }

  findRetrievalRequest(uuid: Uuid) {
    return findRetrievalRequest(this.queries, uuid)
  }

  listRetrievalRequests(o: Filter<'listRetrievalRequests'>) {
    return listRetrievalRequests(this.queries, o)
  }

  listVerdicts(request: Uuid) {
    return listVerdicts(this.queries, request)
  }

  findShared(
    client: Filter<'findShared'>,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ) {
    return findShared(this.queries, client, ref)
  }

  listRevisions(deposit: Uuid) {
    return listRevisions(this.queries, deposit)
  }

  listByHandle(handle: Handle, limit: number) {
    return listByHandle(this.queries, handle, limit)
  }

  listPurging() {
    return listPurging(this.queries)
  }

  findRevocation(deposit: Uuid) {
    return findRevocation(this.queries, deposit)
  }

  listRevocations(limit: number, after?: Uuid) {
    return listRevocations(this.queries, limit, after)
  }

  countDeposits() {
    return countDeposits(this.queries)
  }

  findHsmKeyUses(ids: readonly HsmKeyId[], usesPerKey?: number) {
    return findHsmKeyUses(this.queries, ids, usesPerKey)
  }

  listHsmKeyIds(o: Filter<'listHsmKeyIds'>) {
    return listHsmKeyIds(this.queries, o)
  }

  countSealedAfter(instant: Date) {
    return countSealedAfter(this.queries, instant)
  }

  listPendingPuts() {
    return listPendingPuts(this.queries)
  }

  findPutFacts(o: PutQuestion) {
    return findPutFacts(this.queries, o)
  }

  findDirection() {
    return findDirection(this.queries)
  }

  findJoin() {
    return findJoin(this.queries)
  }

  findMigration(uuid: Uuid) {
    return findMigration(this.queries, uuid)
  }

  listMigrations(limit: number) {
    return listMigrations(this.queries, limit)
  }

  countToMove(selection: Filter<'countToMove'>) {
    return countToMove(this.queries, selection)
  }

  listToMove(selection: Filter<'listToMove'>, o: Parameters<Reader['listToMove']>[1]) {
    return listToMove(this.queries, selection, o)
  }

  countMigrationFaults(migration: Uuid) {
    return countMigrationFaults(this.queries, migration)
  }

  listMigrationFaults(migration: Uuid, limit: number) {
    return listMigrationFaults(this.queries, migration, limit)
  }

  listFormer(filter: Filter<'listFormer'>) {
    return listFormer(this.queries, filter)
  }

  findFormerStored(revision: Uuid) {
    return findFormerStored(this.queries, revision)
  }

  readUsage(of: UsageSubject, since: Date): Promise<Usage> {
    return readUsage(this.queries, subjectOf(of), since)
  }

  readBacklog(o: Filter<'readBacklog'>) {
    return readBacklog(this.queries, o)
  }
}

/** Clients and organisations are counted alike, by uuid. */
export function subjectOf(of: UsageSubject): Uuid {
  return 'client' in of ? of.client : of.organisation
}
