/** What quotas count, on the rows in memory. */
import type { Uuid } from '@keyhsm/core'
import type { Backlog, PutFacts, PutQuestion, Reader, Usage, UsageSubject } from '../store.js'
import { tooManyDeposits } from '../too-many-deposits.js'
import { requestKey, type Tables } from './tables.js'

const minuteMs = 60_000

/** Limits of a transaction, for what it makes more. */
export class LimitedUsage {
  private readonly limits: (() => boolean)[] = []
  private readonly tables: Tables

  constructor(tables: Tables) {
    this.tables = tables
  }

  limit(of: UsageSubject, limit: number): void {
    const now = () => readUsage(this.tables, of, new Date(0)).deposits
    const before = now()
    this.limits.push(() => now() <= Math.max(limit, before))
  }

  /** @throws ERR_QUOTA */
  check(): void {
    if (!this.limits.every((holds) => holds())) throw tooManyDeposits()
  }
}

export function readUsage(tables: Tables, of: UsageSubject, since: Date): Usage {
  const { deposits, pendingPuts, hsmKeyCounts } = tables
  const counted = (row: { readonly client: Uuid; readonly organisation: Uuid }) =>
    'client' in of ? row.client === of.client : row.organisation === of.organisation
  const active = [...deposits.values()].filter(
    ({ state, owner: client, organisation }) =>
      state === 'active' && counted({ client, organisation }),
  )
  const coming = [...pendingPuts.values()].filter((put) => put.revision === 1 && counted(put))
  const from = toMinute(since)
  const keys = hsmKeyCounts.filter((row) => row.minuteAt >= from && counted(row))
  return {
    deposits: active.length + coming.length,
    hsmKeys: keys.reduce((sum, { count }) => sum + count, 0),
  }
}

export function findPutFacts(tables: Tables, o: PutQuestion): PutFacts {
  const answer = tables.requests.get(requestKey(o.requestId, o.client))
  const own = [...tables.deposits.values()].filter(
    ({ owner, handle, state }) =>
      owner === o.client && o.handles.includes(handle) && state !== 'purged',
  )
  return {
    answer,
    deposits: answer ? [] : own,
    client: readUsage(tables, { client: o.client }, o.since),
    organisation: readUsage(tables, { organisation: o.organisation }, o.since),
  }
}

export function readBacklog(tables: Tables, o: Parameters<Reader['readBacklog']>[0]): Backlog {
  const { clients, retrievalRequests, deposits, organisations } = tables
  const count = <Row>(rows: Iterable<Row>, counts: (row: Row) => boolean) =>
    [...rows].filter(counts).length
  const fullest = [...organisations.values()]
    .map(({ uuid, name }) => ({
      name,
      deposits: readUsage(tables, { organisation: uuid }, o.now).deposits,
    }))
    .filter((row) => row.deposits >= o.fullFrom)
    .sort((a, b) => b.deposits - a.deposits || (a.name < b.name ? -1 : 1))
  return {
    waitingClients: count(clients.values(), ({ state }) => state === 'waiting'),
    openRequests: count(
      retrievalRequests.values(),
      ({ state, expiresAt }) => state === 'open' && expiresAt > o.now,
    ),
    purging: count(deposits.values(), ({ state }) => state === 'purging'),
    fullest: fullest.slice(0, o.limit),
  }
}

/** Start of the minute, in ms since the epoch: HSM keys are counted by minute. */
export function toMinute(instant: Date): number {
  return Math.floor(instant.getTime() / minuteMs) * minuteMs
}
