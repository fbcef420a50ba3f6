/**
 * What the Trustee Server needs of its database, named by need. `postgres/` and `memory-store.ts` pass the same contract
 * suite. `withTransaction` is the only way to write; a verb called on `Reader` sees committed rows only.
 *
 * Failures: ERR_STORE_UNAVAILABLE when nothing was committed for certain; {@link CommitUnknown} when the connection was
 * lost after COMMIT was sent. Unique violations are ERR_ALREADY_EXISTS, a row changed meanwhile is ERR_CONFLICT.
 */
import { DomainError, type Fingerprint, type Handle, type HsmKeyId, type Uuid } from '@keyhsm/core'
import type { Backlog, BacklogLook } from './backlog-records.js'
import type { DirectionRow } from './direction-records.js'
import type { FormerFilter, FormerRevision, FormExchange } from './former-records.js'
import type { CallerRows, Client, Group, Organisation } from './identity-records.js'
import type { Installation, NodeKeyHsm } from './installation.js'
import type {
  Cursor,
  MigrationFault,
  MigrationBegins,
  MigrationProgress,
  MoveCounts,
  Selection,
  ToMove,
} from './migration-records.js'
import type {
  Deposit,
  DepositPage,
  HsmKeyUse,
  Join,
  PendingPut,
  RequestResult,
  Revision,
  RevisionMeta,
  Revocation,
  StoredForm,
} from './records.js'
import type { DepositLimits, PutFacts, PutQuestion, Usage, UsageSubject } from './quota-records.js'
import type { SharedAuthorities } from './shared-authorities.js'
import type { RetrievalCount, RetrievalRequest, Verdict } from './retrieval-records.js'

export type * from './backlog-records.js'
export { DirectionChanged, type DirectionRow } from './direction-records.js'
export type * from './former-records.js'
export type * from './identity-records.js'
export type * from './migration-records.js'
export type * from './quota-records.js'
export type * from './records.js'
export type * from './shared-authorities.js'
export type * from './retrieval-records.js'

/** COMMIT was sent and its answer never came: the rows may or may not be there. */
export class CommitUnknown extends DomainError {
  constructor(cause: unknown) {
    super('ERR_STORE_UNAVAILABLE', 'the database did not confirm the commit', { cause })
  }
}

export interface Reader {
  findOrganisation(
    by: { readonly uuid: Uuid } | { readonly name: string },
  ): Promise<Organisation | undefined>
  /** In the byte order of names; absent bounds: all. */
  listOrganisations(page?: {
    readonly after?: string
    readonly limit?: number
  }): Promise<readonly Organisation[]>
  findClient(
    by:
      | { readonly uuid: Uuid }
      | { readonly keyFingerprint: Fingerprint }
      | { readonly organisation: Uuid; readonly name: string },
  ): Promise<Client | undefined>
  /** The client with this uuid and its organisation, in one look. */
  findCaller(client: Uuid): Promise<CallerRows | undefined>
  findGroup(
    by: { readonly uuid: Uuid } | { readonly organisation: Uuid; readonly name: string },
  ): Promise<Group | undefined>
  /** In the order of names. */
  listGroups(organisation: Uuid): Promise<readonly Group[]>
  listGroupsOf(client: Uuid): Promise<readonly Group[]>
  findRetrievalCount(deposit: Uuid): Promise<RetrievalCount | undefined>
  /** In the order of organisations' uuids, then names. */
  listClients(filter: {
    readonly organisation?: Uuid
    readonly state?: Client['state']
    /** The client after which to go on; one that is not there: nothing. */
    readonly after?: Uuid
    /** Absent: all. */
    readonly limit?: number
  }): Promise<readonly Client[]>
  /** By handle within one owner's deposits; a purged one has given its handle back. */
  findDeposit(by: { readonly owner: Uuid; readonly handle: Handle }): Promise<Deposit | undefined>
  /** By the deposit's uuid or one of its revisions' uuids, whoever owns it. */
  findDepositByUuid(
    uuid: Uuid,
  ): Promise<{ readonly deposit: Deposit; readonly revision: number } | undefined>
  findRevision(deposit: Uuid, revision: number): Promise<Revision | undefined>
  /** The same without its bytes. */
  findRevisionMeta(deposit: Uuid, revision: number): Promise<RevisionMeta | undefined>
  /**
   * The hot path of a retrieval in one round trip: the owner's deposit by handle or by uuid, with the revision asked for
   * (the newest by handle or deposit uuid). Finds nothing for another owner's, with the same work done.
   */
  findForRetrieval(
    owner: Uuid,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined>
  findRetrievalRequest(uuid: Uuid): Promise<RetrievalRequest | undefined>
  /** Those of an organisation that expire after an instant, in the order in which they do, then of uuids. */
  listRetrievalRequests(o: {
    readonly organisation: Uuid
    readonly after: Date
    /** The request behind which to go on; one that is not there: nothing. */
    readonly behind?: Uuid
    readonly limit: number
  }): Promise<readonly RetrievalRequest[]>
  /** In the order of time. */
  listVerdicts(request: Uuid): Promise<readonly Verdict[]>
  /**
   * As {@link findForRetrieval} for deposits of others that name this client, or a group it is in, as a reader; by handle
   * only within its organisation, and only when one deposit matches.
   */
  findShared(
    client: Pick<Client, 'uuid' | 'organisation'>,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined>
  /** Every revision of a deposit without its bytes, oldest first. */
  listRevisions(deposit: Uuid): Promise<readonly RevisionMeta[]>
  /** All deposits with this handle that are not purged, whoever owns them: at most `limit`. */
  listByHandle(handle: Handle, limit: number): Promise<readonly Deposit[]>
  /** Deposits in state `purging`. */
  listPurging(): Promise<readonly Deposit[]>
  findRevocation(deposit: Uuid): Promise<Revocation | undefined>
  /** Newest order first; those after that of the deposit `after`. */
  listRevocations(limit: number, after?: Uuid): Promise<readonly Revocation[]>
  /**
   * Purged ones are left out. In the byte order of handles. A page ends between handles, never within one: it is longer than `limit` when several
   * owners share its last handle, and `next` may lead to an empty page in that case.
   */
  listDeposits(filter: {
    readonly owner?: Uuid
    readonly organisation?: Uuid
    readonly after?: Handle
    readonly limit: number
  }): Promise<DepositPage>
  /** Active ones. */
  countDeposits(): Promise<number>
  /**
   * Which of these HSM keys some revision of some deposit that is not purged needs, in its present or its former form, with its deposits:
   * all of them, or at most `usesPerKey` (a key of scope `service` may be needed by millions).
   */
  findHsmKeyUses(
    ids: readonly HsmKeyId[],
    usesPerKey?: number,
  ): Promise<ReadonlyMap<HsmKeyId, readonly HsmKeyUse[]>>
  /** HSM keys that deposits need which are not purged, in the order of their ids, beginning behind `after`. */
  listHsmKeyIds(o: {
    readonly after?: HsmKeyId
    readonly limit: number
  }): Promise<readonly HsmKeyId[]>
  /** Revisions sealed under HSM keys after an instant. */
  countSealedAfter(instant: Date): Promise<number>
  listPendingPuts(): Promise<readonly PendingPut[]>
  /** What a put is planned with, in one look. */
  findPutFacts(question: PutQuestion): Promise<PutFacts>
  findJoin(): Promise<Join | undefined>
  /** Undefined where none was ever saved, or nobody is joined. */
  findDirection(): Promise<DirectionRow | undefined>
  findMigration(uuid: Uuid): Promise<MigrationProgress | undefined>
  /** Newest first. */
  listMigrations(limit: number): Promise<readonly MigrationProgress[]>
  countToMove(selection: Selection): Promise<MoveCounts>
  /** After `cursor` in its order, with their bytes: at most `limit`, and no more after `maxBytes` of content. */
  listToMove(
    selection: Selection,
    o: { readonly after?: Cursor; readonly limit: number; readonly maxBytes: number },
  ): Promise<readonly ToMove[]>
  countMigrationFaults(migration: Uuid): Promise<number>
  listMigrationFaults(migration: Uuid, limit: number): Promise<readonly MigrationFault[]>
  /** In the order of their uuids; those of one deposit in that of its revisions. The bytes of one are found by its uuid. */
  listFormer(filter: FormerFilter): Promise<readonly FormerRevision[]>
  findFormerStored(revision: Uuid): Promise<Buffer | undefined>
  /** Quota figures of a client or an organisation; `since` opens the window for HSM keys, which are counted by minute. */
  readUsage(of: UsageSubject, since: Date): Promise<Usage>
  /** What waits for somebody, and the organisations with at least `fullFrom` deposits in use, the fullest first. */
  readBacklog(o: BacklogLook): Promise<Backlog>
}

export interface Transaction extends Reader {
  /** @throws ERR_ALREADY_EXISTS when uuid or name is taken. */
  insertOrganisation(organisation: Organisation): Promise<void>
  /** Changes all but `createdAt`. @throws ERR_NOT_FOUND; ERR_ALREADY_EXISTS when the name is taken. */
  updateOrganisation(organisation: Organisation): Promise<void>
  /**
   * Removes it with its groups, its clients and what is left of their purged deposits.
   * @throws ERR_CONFLICT while it has a deposit that is not purged; ERR_NOT_FOUND
   */
  deleteOrganisation(uuid: Uuid): Promise<void>
  /**
   * @throws ERR_ALREADY_EXISTS when its uuid, its key or its name within the organisation is taken; ERR_NOT_FOUND when
   * the organisation is not there.
   */
  insertClient(client: Client): Promise<void>
  /** Changes all but `organisation` and `createdAt`. @throws ERR_NOT_FOUND, ERR_ALREADY_EXISTS */
  updateClient(client: Client): Promise<void>
  /**
   * Serialises reservations of one organisation until the transaction ends, so that quotas hold under races.
   * @throws ERR_NOT_FOUND
   */
  lockOrganisation(uuid: Uuid): Promise<void>
  /**
   * Commits only if the deposits that this transaction adds leave client and organisation within `limits`: counted when it
   * commits, so that nothing has to be locked before. @throws ERR_QUOTA from the commit
   */
  limitDeposits(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    limits: DepositLimits,
  ): Promise<void>
  /** @throws ERR_ALREADY_EXISTS when this request is under way already. */
  insertPendingPut(pending: PendingPut): Promise<void>
  /** Removes it; false when it was gone. */
  deletePendingPut(requestId: Uuid, client: Uuid, handle: Handle): Promise<boolean>
  /** Counts `count` HSM keys made at `at` against client and organisation; whether these exist is the caller's affair. */
  recordHsmKeys(
    of: { readonly client: Uuid; readonly organisation: Uuid },
    count: number,
    at: Date,
  ): Promise<void>
  /** Forgets the counts of minutes before `instant`: no window may reach further back. */
  deleteHsmKeyCountsBefore(instant: Date): Promise<void>
  /** @throws ERR_ALREADY_EXISTS when the owner has this handle, in whatever state; ERR_NOT_FOUND without its owner. */
  insertDeposit(deposit: Deposit, first: Revision): Promise<void>
  /** Compare-and-swap on the row before, its policy included. @throws ERR_CONFLICT when it is another meanwhile, or not active. */
  appendRevision(deposit: Deposit, next: Revision, before: Pick<Deposit, 'grant'>): Promise<void>
  /**
   * Changes state columns of a deposit whose revision and handle are still its; with `from`, the handle it had, its handle too. There
   * is no way back from `purging` and `purged`. @throws ERR_CONFLICT; ERR_ALREADY_EXISTS when the new handle is taken
   */
  updateDeposit(deposit: Deposit, from?: Handle): Promise<void>
  /** Inserts or replaces. @throws ERR_ALREADY_EXISTS when the name is taken; ERR_NOT_FOUND without its organisation. */
  saveGroup(group: Group): Promise<void>
  deleteGroup(uuid: Uuid): Promise<void>
  /** Replaces who finds a deposit besides its owner: clients and groups. */
  saveReaders(deposit: Uuid, readers: readonly Uuid[]): Promise<void>
  /** The count, and nobody else may take it until the transaction ends. */
  lockRetrievalCount(deposit: Uuid): Promise<RetrievalCount | undefined>
  /** Inserts or replaces. */
  saveRetrievalCount(count: RetrievalCount): Promise<void>
  /** The request, and nobody else may change it until the transaction ends. */
  lockRetrievalRequest(uuid: Uuid): Promise<RetrievalRequest | undefined>
  /** Inserts, or changes signature and state. */
  saveRetrievalRequest(request: RetrievalRequest): Promise<void>
  /** With their verdicts. */
  deleteRetrievalRequestsBefore(instant: Date): Promise<number>
  saveVerdict(verdict: Verdict): Promise<void>
  deleteVerdict(request: Uuid, trustee: Uuid): Promise<void>
  /** Removes what puts under way have reserved for this deposit: they can no longer commit. */
  deletePendingPutsOf(deposit: Uuid): Promise<void>
  /** Empties the stored bytes of every revision and forgets their former forms. */
  dropStored(deposit: Uuid): Promise<void>
  /** Inserts or replaces; an end once written stays. */
  saveRevocation(revocation: Revocation): Promise<void>
  /** @throws ERR_ALREADY_EXISTS when this client's request has its answer; waits for a racing transaction's end. */
  insertRequest(result: RequestResult): Promise<void>
  deleteRequestsBefore(instant: Date): Promise<number>
  saveJoin(join: Join): Promise<void>
  deleteJoin(): Promise<void>
  /** Waits for transactions that required the one before. @throws ERR_NOT_FOUND without a join */
  saveDirection(row: DirectionRow): Promise<void>
  /** Holds the direction until the transaction ends. @throws DirectionChanged when there is one, and it is not this */
  requireDirection(directed: number | undefined): Promise<void>
  /** Inserts, or changes all but who began it and when. @throws ERR_CONFLICT when it `begins` while another is open */
  saveMigration(progress: MigrationProgress, begins?: MigrationBegins): Promise<void>
  /**
   * Gives a revision another form and keeps the one before as its former form, unless one is kept. Compare-and-swap.
   * @returns false, with nothing changed, when the revision has another form than `before` meanwhile, or its deposit is
   * purged or about to be
   */
  swapForm(before: Revision, next: StoredForm, exchange: FormExchange): Promise<boolean>
  /** Exchanges a revision's form with its former one, once. @returns false when it was, or its deposit is about to be purged */
  swapBack(revision: Uuid): Promise<boolean>
  deleteFormer(revisions: readonly Uuid[]): Promise<void>
  saveMigrationFault(fault: MigrationFault): Promise<void>
  deleteMigrationFaults(migration: Uuid): Promise<void>
}

/** What a server can do with the copies of the database that it reaches. */
export interface Reach {
  /** `reader`: only what changes nothing, as it was a while ago; `none`: nothing. */
  readonly mode: 'writer' | 'reader' | 'none'
  /** Two reads that saw the same value here saw one primary, without a break. */
  readonly generation: string
  /** Whether other servers may write to this database. */
  readonly shared: boolean
  /** URLs of the servers that take writes, where this one does not. */
  readonly elsewhere: readonly string[]
}

/** What a change is refused with where only a standby is reached. */
export function readOnlyHere(elsewhere: readonly string[]): DomainError {
  const where =
    elsewhere.length === 0 ? 'no server is known that does' : `ask ${elsewhere.join(' or ')}`
  return new DomainError(
    'ERR_STORE_UNAVAILABLE',
    `this server reaches no database that takes writes: ${where}`,
    { elsewhere, retryAfterMs: 1_000 },
  )
}

/** @throws ERR_STORE_UNAVAILABLE naming the servers that take writes, where only a standby is reached */
export function refuseReader(store: { reach(): Reach }): undefined {
  const { mode, elsewhere } = store.reach()
  if (mode === 'reader') throw readOnlyHere(elsewhere)
  return undefined
}

/** Of a database that is the only one, and this server's alone. */
export const onlyCopy: Reach = { mode: 'writer', generation: 'only', shared: false, elsewhere: [] }

export interface StoreHealth {
  readonly state: 'ready' | 'unavailable'
  /** One line for the operator, no password. */
  readonly detail: string
}

export interface Store extends Reader {
  /**
   * Runs `work` in one transaction; commits when it resolves, rolls back when it throws. Resolving means committed and
   * flushed. A serialisation failure or deadlock is tried again twice, so `work` must only touch the transaction.
   * Verbs without a result may resolve before the database answered: their failure is then thrown from here. Verbs
   * called together (`Promise.all`) run in the order of their calls, in one round trip.
   * A verb that failed spoils its transaction: nothing is committed and its error is thrown, even when `work` caught it.
   */
  withTransaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>
  reach(): Reach
  /** Undefined where there is one copy by definition. */
  installation?(): Installation
  /**
   * Takes a server out of the installation for ever: it serves nothing from its next look on. False when it is out already.
   * @throws ERR_STORE_UNAVAILABLE naming the servers that take writes
   */
  forgetNode?(node: Uuid): Promise<boolean>
  /** Shows the other servers how the Key HSM of this one is; writes only what changed. @throws ERR_STORE_UNAVAILABLE */
  showKeyHsm?(now: NodeKeyHsm): Promise<void>
  /** Undefined where no other server shares the database. */
  readonly authorities?: SharedAuthorities
  /** Never throws. */
  probe(): Promise<StoreHealth>
  close(): Promise<void>
}
