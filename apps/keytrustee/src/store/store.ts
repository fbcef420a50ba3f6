/**
 * What the Trustee Server needs of its database, named by need. `postgres/` and `memory-store.ts` pass the same contract
 * suite. `withTransaction` is the only way to write; a verb called on `Reader` sees committed rows only.
 *
 * Failures: ERR_STORE_UNAVAILABLE when nothing was committed for certain; {@link CommitUnknown} when the connection was
 * lost after COMMIT was sent. Unique violations are ERR_ALREADY_EXISTS, a row changed meanwhile is ERR_CONFLICT.
 */
import { DomainError, type Fingerprint, type Handle, type HsmKeyId, type Uuid } from '@keyhsm/core'
import type { Policy } from '../policies/policy.js'

/** COMMIT was sent and its answer never came: the rows may or may not be there. */
export class CommitUnknown extends DomainError {
  constructor(cause: unknown) {
    super('ERR_STORE_UNAVAILABLE', 'the database did not confirm the commit', { cause })
  }
}

/**
 * Rows that grant something carry `grant`: HMAC-SHA-256 (hex) over their granting columns under a key outside the
 * database (see `grants.ts`). The store keeps it as it is; whoever reads the row verifies it before believing it.
 */
export interface Granted {
  readonly grant: string
}

export interface Organisation extends Granted {
  readonly uuid: Uuid
  readonly name: string
  readonly state: 'active' | 'suspended'
  /** scrypt hash with its parameters; undefined: enrolment only by approval. */
  readonly authHash: string | undefined
  readonly contacts: readonly string[]
  readonly createdAt: Date
}

export interface Client extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly name: string
  readonly state: 'waiting' | 'active' | 'disabled'
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS key. */
  readonly keyFingerprint: Fingerprint
  /** Ed25519 SPKI, base64. */
  readonly identityKey: string
  /** age recipient. */
  readonly recipient: string
  /** Ed25519 signature of the recipient by the identity key, base64; clients that enrolled long ago have none. */
  readonly recipientSignature?: string | undefined
  readonly createdAt: Date
}

export interface Deposit extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly owner: Uuid
  readonly handle: Handle
  /** `purging`: no longer opened, its HSM keys are being revoked; `purged`: they are, and the bytes are gone. */
  readonly state: 'active' | 'disabled' | 'purging' | 'purged'
  /** Newest revision. */
  readonly revision: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly undeleteUntil: Date | undefined
  readonly policy?: Policy | undefined
}

/** Clients of one organisation under one name. */
export interface Group extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly name: string
  /** Clients, in the order of their uuids. */
  readonly members: readonly Uuid[]
  readonly createdAt: Date
}

/** A client asks for a deposit that has trustees. */
export interface RetrievalRequest extends Granted {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly organisation: Uuid
  readonly client: Uuid
  /** Its identity key: raw Ed25519, base64. */
  readonly clientKey: string
  /** Base64; undefined until it has signed. */
  readonly clientSignature: string | undefined
  readonly state: 'open' | 'withdrawn' | 'used'
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** What one trustee said to a request; an approval is worth what its signature is. */
export interface Verdict {
  readonly request: Uuid
  readonly trustee: Uuid
  readonly verdict: 'approve' | 'deny'
  /** Base64; with `approve` only. */
  readonly signature: string | undefined
  readonly decidedAt: Date
}

/** How often a deposit was retrieved since its policy limits that. */
export interface RetrievalCount extends Granted {
  readonly deposit: Uuid
  readonly used: number
}

export interface Revision {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly sealing: 'hsm' | 'pass-through'
  /** Sealed bytes (hsm) or the client's bytes (pass-through). */
  readonly stored: Buffer
  readonly contentBytes: number
  readonly hsmKeyId: HsmKeyId | undefined
  readonly hsmKeyLabel: string | undefined
  readonly scope: 'deposit' | 'organisation' | 'service' | undefined
  readonly kind: string | undefined
  readonly createdAt: Date
}

export type RevisionMeta = Omit<Revision, 'stored'>

/** That a deposit was ordered to be unreadable for ever. Kept for ever; it grants nothing. */
export interface Revocation {
  readonly deposit: Uuid
  readonly organisation: Uuid
  readonly handle: Handle
  /** HSM keys of this deposit alone, over all its revisions. */
  readonly hsmKeyIds: readonly HsmKeyId[]
  /** Revisions whose HSM key serves other deposits too, or that have none: copies in older backups still open. */
  readonly sharedRevisions: number
  readonly orderedBy: string
  readonly orderedAt: Date
  /** When the keys were revoked and the bytes dropped. */
  readonly doneAt: Date | undefined
}

/** A put between its reservation and its commit; counted by quotas and by prune. */
export interface PendingPut {
  readonly requestId: Uuid
  readonly client: Uuid
  readonly organisation: Uuid
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
  readonly contentBytes: number
  readonly startedAt: Date
}

/** The answer given to a request id: a repeated request gets it again and has no second effect. */
export interface RequestResult {
  readonly requestId: Uuid
  readonly client: Uuid
  /** SHA-256 over operation and arguments: the same id with another request is ERR_CONFLICT. */
  readonly requestHash: Fingerprint
  /** JSON of the reply. */
  readonly reply: string
  readonly createdAt: Date
}

/** How this server is joined to a Key HSM. One row, or none before `ktadmin keyhsm`. */
export interface Join {
  readonly url: string
  readonly realm: string
  readonly canary: Fingerprint
  readonly domain: string
  readonly joinedAt: Date
}

export interface DepositPage {
  readonly deposits: readonly (Deposit & { readonly latest: RevisionMeta })[]
  readonly next: Handle | undefined
}

export interface Usage {
  /** Active deposits and pending puts that will make a new one. */
  readonly deposits: number
  /** HSM keys made, or about to be, within the window. */
  readonly hsmKeys: number
}

/** One revision that needs an HSM key. */
export interface HsmKeyUse {
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
}

export interface Reader {
  findOrganisation(
    by: { readonly uuid: Uuid } | { readonly name: string },
  ): Promise<Organisation | undefined>
  listOrganisations(): Promise<readonly Organisation[]>
  findClient(
    by:
      | { readonly uuid: Uuid }
      | { readonly keyFingerprint: Fingerprint }
      | { readonly organisation: Uuid; readonly name: string },
  ): Promise<Client | undefined>
  findGroup(
    by: { readonly uuid: Uuid } | { readonly organisation: Uuid; readonly name: string },
  ): Promise<Group | undefined>
  /** In the order of names. */
  listGroups(organisation: Uuid): Promise<readonly Group[]>
  listGroupsOf(client: Uuid): Promise<readonly Group[]>
  findRetrievalCount(deposit: Uuid): Promise<RetrievalCount | undefined>
  listClients(filter: {
    readonly organisation?: Uuid
    readonly state?: Client['state']
  }): Promise<readonly Client[]>
  /** By handle within one owner's deposits; a purged one has given its handle back. */
  findDeposit(by: { readonly owner: Uuid; readonly handle: Handle }): Promise<Deposit | undefined>
  /** By the deposit's uuid or one of its revisions' uuids, whoever owns it. */
  findDepositByUuid(
    uuid: Uuid,
  ): Promise<{ readonly deposit: Deposit; readonly revision: number } | undefined>
  findRevision(deposit: Uuid, revision: number): Promise<Revision | undefined>
  /**
   * The hot path of a retrieval in one round trip: the owner's deposit by handle or by uuid, with the revision asked for
   * (the newest by handle or deposit uuid). Finds nothing for another owner's, with the same work done.
   */
  findForRetrieval(
    owner: Uuid,
    ref: { readonly handle: Handle } | { readonly uuid: Uuid },
  ): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined>
  findRetrievalRequest(uuid: Uuid): Promise<RetrievalRequest | undefined>
  /** Those of an organisation that expire after an instant, oldest first. */
  listRetrievalRequests(o: {
    readonly organisation: Uuid
    readonly after: Date
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
  /** Newest order first. */
  listRevocations(limit: number): Promise<readonly Revocation[]>
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
   * Which of these HSM keys some revision of some deposit that is not purged needs, with its deposits: all of them, or at most `usesPerKey`
   * (a key of scope `service` may be needed by millions).
   */
  findHsmKeyUses(
    ids: readonly HsmKeyId[],
    usesPerKey?: number,
  ): Promise<ReadonlyMap<HsmKeyId, readonly HsmKeyUse[]>>
  listPendingPuts(): Promise<readonly PendingPut[]>
  findRequest(requestId: Uuid, client: Uuid): Promise<RequestResult | undefined>
  findJoin(): Promise<Join | undefined>
  /** Quota figures of a client or an organisation; `since` opens the window for HSM keys, which are counted by minute. */
  readUsage(
    of: { readonly client: Uuid } | { readonly organisation: Uuid },
    since: Date,
  ): Promise<Usage>
}

export interface Transaction extends Reader {
  /** @throws ERR_ALREADY_EXISTS when uuid or name is taken. */
  insertOrganisation(organisation: Organisation): Promise<void>
  /** Changes all but `createdAt`. @throws ERR_NOT_FOUND; ERR_ALREADY_EXISTS when the name is taken. */
  updateOrganisation(organisation: Organisation): Promise<void>
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
  /** Compare-and-swap on the revision before. @throws ERR_CONFLICT when it is another meanwhile, or not active. */
  appendRevision(deposit: Deposit, next: Revision): Promise<void>
  /**
   * Changes state columns of a deposit whose revision is still `deposit.revision`. There is no way back from `purging`
   * and `purged`. @throws ERR_CONFLICT
   */
  updateDeposit(deposit: Deposit): Promise<void>
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
  /** Empties the stored bytes of every revision. */
  dropStored(deposit: Uuid): Promise<void>
  /** Inserts or replaces; an end once written stays. */
  saveRevocation(revocation: Revocation): Promise<void>
  /** @throws ERR_ALREADY_EXISTS when this client's request has its answer; waits for a racing transaction's end. */
  insertRequest(result: RequestResult): Promise<void>
  deleteRequestsBefore(instant: Date): Promise<number>
  saveJoin(join: Join): Promise<void>
}

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
  /** Never throws. */
  probe(): Promise<StoreHealth>
  close(): Promise<void>
}
