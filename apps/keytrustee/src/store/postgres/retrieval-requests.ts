import type { Uuid } from '@keyhsm/core'
import type { Reader, RetrievalRequest, Verdict } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries } from './queries.js'

const columns =
  'uuid, deposit, revision, organisation, client, client_key, client_signature, state, created_at, expires_at, grant_mac'

const find = {
  name: 'retrieval_requests_find',
  text: `select ${columns} from retrieval_requests where uuid = $1`,
}
const lock = {
  name: 'retrieval_requests_lock',
  text: `select ${columns} from retrieval_requests where uuid = $1 for update`,
}
const list = {
  name: 'retrieval_requests_list',
  text: `select ${columns} from retrieval_requests
    where organisation = $1 and expires_at > $2 order by expires_at, uuid limit $3`,
}
const listBehind = {
  name: 'retrieval_requests_list_behind',
  text: `select ${columns} from retrieval_requests
    where organisation = $1 and expires_at > $2 and (expires_at, uuid) >
      (select last.expires_at, last.uuid from retrieval_requests last where last.uuid = $4)
    order by expires_at, uuid limit $3`,
}
const save = {
  name: 'retrieval_requests_save',
  text: `insert into retrieval_requests (${columns})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    on conflict (uuid) do update set client_signature = excluded.client_signature,
      state = excluded.state, grant_mac = excluded.grant_mac`,
}
const removeOld = {
  name: 'retrieval_requests_delete_before',
  text: 'delete from retrieval_requests where expires_at < $1',
}
const verdicts = {
  name: 'verdicts_list',
  text: `select request, trustee, verdict, signature, decided_at from verdicts
    where request = $1 order by decided_at`,
}
const saveOne = {
  name: 'verdicts_save',
  text: `insert into verdicts (request, trustee, verdict, signature, decided_at)
    values ($1, $2, $3, $4, $5)
    on conflict (request, trustee) do update set verdict = excluded.verdict,
      signature = excluded.signature, decided_at = excluded.decided_at`,
}
const removeOne = {
  name: 'verdicts_delete',
  text: 'delete from verdicts where request = $1 and trustee = $2',
}

function toRequest(row: Columns): RetrievalRequest {
  return {
    uuid: row.uuid('uuid'),
    deposit: row.uuid('deposit'),
    revision: row.integer('revision'),
    organisation: row.uuid('organisation'),
    client: row.uuid('client'),
    clientKey: row.text('client_key'),
    clientSignature: row.optionalText('client_signature'),
    state: row.word('state', ['open', 'withdrawn', 'used']),
    createdAt: row.instant('created_at'),
    expiresAt: row.instant('expires_at'),
    grant: row.text('grant_mac'),
  }
}

function toVerdict(row: Columns): Verdict {
  return {
    request: row.uuid('request'),
    trustee: row.uuid('trustee'),
    verdict: row.word('verdict', ['approve', 'deny']),
    signature: row.optionalText('signature'),
    decidedAt: row.instant('decided_at'),
  }
}

export function findRetrievalRequest(
  queries: Queries,
  uuid: Uuid,
): Promise<RetrievalRequest | undefined> {
  return findOne(queries, find, [uuid], toRequest)
}

export function lockRetrievalRequest(
  queries: Queries,
  uuid: Uuid,
): Promise<RetrievalRequest | undefined> {
  return findOne(queries, lock, [uuid], toRequest)
}

export function listRetrievalRequests(
  queries: Queries,
  o: Parameters<Reader['listRetrievalRequests']>[0],
): Promise<readonly RetrievalRequest[]> {
  const values = [o.organisation, o.after, o.limit]
  return o.behind === undefined
    ? findAll(queries, list, values, toRequest)
    : findAll(queries, listBehind, [...values, o.behind], toRequest)
}

export async function saveRetrievalRequest(queries: Queries, row: RetrievalRequest): Promise<void> {
  const { uuid, deposit, revision, organisation, client, clientKey, state } = row
  const identity = [uuid, deposit, revision, organisation, client, clientKey]
  const rest = [row.clientSignature ?? null, state, row.createdAt, row.expiresAt, row.grant]
  await queries.run(save, [...identity, ...rest])
}

export function deleteRetrievalRequestsBefore(queries: Queries, instant: Date): Promise<number> {
  return change(queries, removeOld, [instant])
}

export function listVerdicts(queries: Queries, request: Uuid): Promise<readonly Verdict[]> {
  return findAll(queries, verdicts, [request], toVerdict)
}

export async function saveVerdict(queries: Queries, row: Verdict): Promise<void> {
  const { request, trustee, verdict, signature = null, decidedAt } = row
  await queries.run(saveOne, [request, trustee, verdict, signature, decidedAt])
}

export async function deleteVerdict(queries: Queries, request: Uuid, trustee: Uuid): Promise<void> {
  await change(queries, removeOne, [request, trustee])
}
