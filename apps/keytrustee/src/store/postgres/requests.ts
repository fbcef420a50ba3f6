import type { RequestResult } from '../store.js'
import { parameterRows, type RowInsert } from './gathered-inserts.js'
import { type Columns, change, type Queries, type Value } from './queries.js'

export const columns = ['request_id', 'client', 'request_hash', 'reply', 'created_at'] as const
const names = columns.join(', ')

/** Parameters: {@link requestRow}. */
export const requestInsert: RowInsert = {
  name: 'requests_insert',
  text: (rows) => `insert into requests (${names}) values ${parameterRows(rows, { stride: 5 })}`,
}
const removeOld = {
  name: 'requests_delete_before',
  text: 'delete from requests where created_at < $1',
}

export function toRequest(row: Columns): RequestResult {
  return {
    requestId: row.uuid('request_id'),
    client: row.uuid('client'),
    requestHash: row.fingerprint('request_hash'),
    reply: row.text('reply'),
    createdAt: row.instant('created_at'),
  }
}

export function requestRow(row: RequestResult): readonly Value[] {
  return [row.requestId, row.client, row.requestHash, row.reply, row.createdAt]
}

export function deleteRequestsBefore(queries: Queries, instant: Date): Promise<number> {
  return change(queries, removeOld, [instant])
}
