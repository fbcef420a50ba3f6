import type { Handle, Uuid } from '@keyhsm/core'
import type { PendingPut } from '../store.js'
import { type Columns, findAll, findOne, type Queries } from './queries.js'

const columns =
  'request_id, client, organisation, deposit, handle, revision, content_bytes, started_at'

const list = {
  name: 'pending_puts_list',
  text: `select ${columns} from pending_puts order by started_at, handle`,
}
const insert = {
  name: 'pending_puts_insert',
  text: `insert into pending_puts (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
}
const remove = {
  name: 'pending_puts_delete',
  text: `delete from pending_puts where request_id = $1 and client = $2 and handle = $3
    returning ${columns}`,
}

const removeOf = {
  name: 'pending_puts_delete_of_deposit',
  text: `delete from pending_puts where deposit = $1 returning ${columns}`,
}

function toPendingPut(row: Columns): PendingPut {
  return {
    requestId: row.uuid('request_id'),
    client: row.uuid('client'),
    organisation: row.uuid('organisation'),
    deposit: row.uuid('deposit'),
    handle: row.text('handle') as Handle,
    revision: row.integer('revision'),
    contentBytes: row.integer('content_bytes'),
    startedAt: row.instant('started_at'),
  }
}

export function listPendingPuts(queries: Queries): Promise<readonly PendingPut[]> {
  return findAll(queries, list, [], toPendingPut)
}

export async function insertPendingPut(queries: Queries, row: PendingPut): Promise<void> {
  const { requestId, client, organisation, deposit, handle, revision, contentBytes } = row
  const identity = [requestId, client, organisation, deposit, handle]
  await queries.run(insert, [...identity, revision, contentBytes, row.startedAt])
}

/** Gives the row it removed, or undefined when it was gone. */
export function deletePendingPut(
  queries: Queries,
  key: { readonly requestId: Uuid; readonly client: Uuid; readonly handle: Handle },
): Promise<PendingPut | undefined> {
  return findOne(queries, remove, [key.requestId, key.client, key.handle], toPendingPut)
}

/** Gives the rows it removed. */
export function deletePendingPutsOf(
  queries: Queries,
  deposit: Uuid,
): Promise<readonly PendingPut[]> {
  return findAll(queries, removeOf, [deposit], toPendingPut)
}
