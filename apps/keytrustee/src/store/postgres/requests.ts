import type { Uuid } from '@keyhsm/core'
import type { RequestResult } from '../store.js'
import { parameterRows, type RowInsert } from './gathered-inserts.js'
import { type Columns, change, findOne, type Queries, type Value } from './queries.js'

const columns = 'request_id, client, request_hash, reply, created_at'

const find = {
  name: 'requests_find',
  text: `select ${columns} from requests where request_id = $1 and client = $2`,
}
/** Parameters: {@link requestRow}. */
export const requestInsert: RowInsert = {
  name: 'requests_insert',
  text: (rows) => `insert into requests (${columns}) values ${parameterRows(rows, { stride: 5 })}`,
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

export function requestRow(row: RequestResult): readonly Value[] {
  return [row.requestId, row.client, row.requestHash, row.reply, row.createdAt]
}

export function deleteRequestsBefore(queries: Queries, instant: Date): Promise<number> {
  return change(queries, removeOld, [instant])
}
