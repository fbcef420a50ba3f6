import type { Uuid } from '@keyhsm/core'
import type { RequestResult } from '../store.js'
import { type Columns, change, findOne, type Queries } from './queries.js'

const columns = 'request_id, client, request_hash, reply, created_at'

const find = {
  name: 'requests_find',
  text: `select ${columns} from requests where request_id = $1 and client = $2`,
}
const insert = {
  name: 'requests_insert',
  text: `insert into requests (${columns}) values ($1, $2, $3, $4, $5)`,
}
const removeOld = {
  name: 'requests_delete_before',
  text: 'delete from requests where created_at < $1',
}

function toRequest(row: Columns): RequestResult {
  return {
    requestId: row.uuid('request_id'),
    client: row.uuid('client'),
    requestHash: row.fingerprint('request_hash'),
    reply: row.text('reply'),
    createdAt: row.instant('created_at'),
  }
}

export function findRequest(
  queries: Queries,
  requestId: Uuid,
  client: Uuid,
): Promise<RequestResult | undefined> {
  return findOne(queries, find, [requestId, client], toRequest)
}

export async function insertRequest(queries: Queries, row: RequestResult): Promise<void> {
  const { requestId, client, requestHash, reply, createdAt } = row
  await queries.run(insert, [requestId, client, requestHash, reply, createdAt])
}

export function deleteRequestsBefore(queries: Queries, instant: Date): Promise<number> {
  return change(queries, removeOld, [instant])
}
