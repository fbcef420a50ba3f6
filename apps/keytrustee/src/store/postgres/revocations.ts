import type { Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { Revocation } from '../store.js'
import { type Columns, findAll, findOne, type Queries } from './queries.js'

const columns =
  'deposit, organisation, handle, hsm_key_ids, shared_revisions, ordered_by, ordered_at, done_at'

const find = {
  name: 'revocations_find',
  text: `select ${columns} from revocations where deposit = $1`,
}
const list = {
  name: 'revocations_list',
  text: `select ${columns} from revocations
    where $2::uuid is null or (ordered_at, deposit) <
      (select ordered_at, deposit from revocations as before where before.deposit = $2)
    order by ordered_at desc, deposit desc limit $1`,
}
const save = {
  name: 'revocations_save',
  text: `insert into revocations (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (deposit) do update set hsm_key_ids = excluded.hsm_key_ids,
      shared_revisions = excluded.shared_revisions,
      done_at = coalesce(revocations.done_at, excluded.done_at)`,
}

function toRevocation(row: Columns): Revocation {
  return {
    deposit: row.uuid('deposit'),
    organisation: row.uuid('organisation'),
    handle: row.text('handle') as Handle,
    hsmKeyIds: row.texts('hsm_key_ids') as readonly HsmKeyId[],
    sharedRevisions: row.integer('shared_revisions'),
    orderedBy: row.text('ordered_by'),
    orderedAt: row.instant('ordered_at'),
    doneAt: row.optionalInstant('done_at'),
  }
}

export function findRevocation(queries: Queries, deposit: Uuid): Promise<Revocation | undefined> {
  return findOne(queries, find, [deposit], toRevocation)
}

export function listRevocations(
  queries: Queries,
  limit: number,
  after: Uuid | undefined,
): Promise<readonly Revocation[]> {
  return findAll(queries, list, [limit, after ?? null], toRevocation)
}

export async function saveRevocation(queries: Queries, row: Revocation): Promise<void> {
  const { deposit, organisation, handle, hsmKeyIds, sharedRevisions, orderedBy } = row
  const identity = [deposit, organisation, handle, hsmKeyIds, sharedRevisions, orderedBy]
  await queries.run(save, [...identity, row.orderedAt, row.doneAt ?? null])
}
