import type { Uuid } from '@keyhsm/core'
import type { RetrievalCount } from '../store.js'
import { type Columns, findOne, type Queries } from './queries.js'

const find = {
  name: 'retrieval_counts_find',
  text: 'select deposit, used, grant_mac from retrieval_counts where deposit = $1',
}
const lock = {
  name: 'retrieval_counts_lock',
  text: 'select deposit, used, grant_mac from retrieval_counts where deposit = $1 for update',
}
const save = {
  name: 'retrieval_counts_save',
  text: `insert into retrieval_counts (deposit, used, grant_mac) values ($1, $2, $3)
    on conflict (deposit) do update set used = excluded.used, grant_mac = excluded.grant_mac`,
}

function toCount(row: Columns): RetrievalCount {
  return { deposit: row.uuid('deposit'), used: row.integer('used'), grant: row.text('grant_mac') }
}

export function findRetrievalCount(
  queries: Queries,
  deposit: Uuid,
): Promise<RetrievalCount | undefined> {
  return findOne(queries, find, [deposit], toCount)
}

export function lockRetrievalCount(
  queries: Queries,
  deposit: Uuid,
): Promise<RetrievalCount | undefined> {
  return findOne(queries, lock, [deposit], toCount)
}

export async function saveRetrievalCount(queries: Queries, row: RetrievalCount): Promise<void> {
  await queries.run(save, [row.deposit, row.used, row.grant])
}
