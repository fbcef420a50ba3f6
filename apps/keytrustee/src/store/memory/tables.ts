/** The rows of the in-memory store: one map a table, copied for each transaction and swapped in at its commit. */
import type { HsmKeyId, Uuid } from '@keyhsm/core'
import type {
  Client,
  Deposit,
  DirectionRow,
  FormGrants,
  Group,
  HsmKeyUse,
  Join,
  MigrationFault,
  MigrationProgress,
  Organisation,
  PendingPut,
  RequestResult,
  RetrievalCount,
  RetrievalRequest,
  Revision,
  Revocation,
  Verdict,
} from '../store.js'

export interface HsmKeyCount {
  readonly client: Uuid
  readonly organisation: Uuid
  readonly minuteAt: number
  readonly count: number
}

export interface Tables {
  readonly organisations: Map<Uuid, Organisation>
  readonly clients: Map<Uuid, Client>
  readonly deposits: Map<Uuid, Deposit>
  readonly revisions: Map<Uuid, Revision>
  readonly pendingPuts: Map<string, PendingPut>
  readonly requests: Map<string, RequestResult>
  readonly groups: Map<Uuid, Group>
  /** By deposit. */
  readonly readers: Map<Uuid, readonly Uuid[]>
  readonly retrievalCounts: Map<Uuid, RetrievalCount>
  readonly retrievalRequests: Map<Uuid, RetrievalRequest>
  /** By request and trustee. */
  readonly verdicts: Map<string, Verdict>
  readonly revocations: Map<Uuid, Revocation>
  readonly hsmKeyCounts: HsmKeyCount[]
  readonly join: Join[]
  readonly direction: DirectionRow[]
  readonly migrations: Map<Uuid, MigrationProgress>
  /** By migration and revision. */
  readonly migrationFaults: Map<string, MigrationFault>
  /** By revision. */
  readonly former: Map<Uuid, Former>
}

/** A revision in its former form. */
export type Former = Revision & {
  readonly grants: FormGrants
  readonly swappedBack: boolean
}

export function emptyTables(): Tables {
  return {
    organisations: new Map(),
    clients: new Map(),
    deposits: new Map(),
    revisions: new Map(),
    pendingPuts: new Map(),
    requests: new Map(),
    groups: new Map(),
    readers: new Map(),
    retrievalCounts: new Map(),
    retrievalRequests: new Map(),
    verdicts: new Map(),
    revocations: new Map(),
    hsmKeyCounts: [],
    join: [],
    direction: [],
    migrations: new Map(),
    migrationFaults: new Map(),
    former: new Map(),
  }
}

/** Rows are never changed in place, so copying the maps is a snapshot. */
export function copyTables(tables: Tables): Tables {
  return {
    organisations: new Map(tables.organisations),
    clients: new Map(tables.clients),
    deposits: new Map(tables.deposits),
    revisions: new Map(tables.revisions),
    pendingPuts: new Map(tables.pendingPuts),
    requests: new Map(tables.requests),
    groups: new Map(tables.groups),
    readers: new Map(tables.readers),
    retrievalCounts: new Map(tables.retrievalCounts),
    retrievalRequests: new Map(tables.retrievalRequests),
    verdicts: new Map(tables.verdicts),
    revocations: new Map(tables.revocations),
    hsmKeyCounts: [...tables.hsmKeyCounts],
    join: [...tables.join],
    direction: [...tables.direction],
    migrations: new Map(tables.migrations),
    migrationFaults: new Map(tables.migrationFaults),
    former: new Map(tables.former),
  }
}

export function pendingPutKey(requestId: Uuid, client: Uuid, handle: string): string {
  return `${requestId} ${client} ${handle}`
}

export function requestKey(requestId: Uuid, client: Uuid): string {
  return `${requestId} ${client}`
}

/** A copy that shares no bytes with the row, as a database's answer would be. */
export function detached(revision: Revision): Revision {
  return { ...revision, stored: Buffer.from(revision.stored) }
}

export type HsmKeyUses = Map<HsmKeyId, HsmKeyUse[]>

/** An organisation with everything that refers to it; `deposits` are its own, all of them purged. */
export function removeOrganisation(tables: Tables, uuid: Uuid, deposits: ReadonlySet<Uuid>): void {
  const ofIt = ({ organisation }: { readonly organisation: Uuid }) => organisation === uuid
  const ofThem = ({ deposit }: { readonly deposit: Uuid }) => deposits.has(deposit)
  const gone = new Set([...tables.clients.values()].filter(ofIt).map((client) => client.uuid))
  for (const deposit of deposits) {
    tables.deposits.delete(deposit)
    tables.readers.delete(deposit)
    tables.retrievalCounts.delete(deposit)
  }
  removeWhere(tables.revisions, ofThem)
  removeWhere(tables.retrievalRequests, ofIt)
  removeWhere(tables.verdicts, ({ request }) => !tables.retrievalRequests.has(request))
  removeWhere(tables.requests, ({ client }) => gone.has(client))
  removeWhere(tables.groups, ofIt)
  removeWhere(tables.clients, ofIt)
  tables.organisations.delete(uuid)
  const counted = tables.hsmKeyCounts.filter((row) => !ofIt(row))
  tables.hsmKeyCounts.splice(0, tables.hsmKeyCounts.length, ...counted)
}

function removeWhere<Key, Row>(table: Map<Key, Row>, matches: (row: Row) => boolean): void {
  for (const [key, row] of table) if (matches(row)) table.delete(key)
}

/** As PostgreSQL orders texts here: by code unit. */
export function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
