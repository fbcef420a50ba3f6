/** Deposits of others, for those whom their policies name as readers. */
import type { Handle, Uuid } from '@keyhsm/core'
import type { Client, Deposit, Revision } from '../store.js'
import { columns, toDeposit } from './deposits.js'
import { findAll, type Queries } from './queries.js'
import { joinedColumns, toRevision } from './revisions.js'

const readable = `deposits.organisation = $1 and exists (
      select from deposit_readers where deposit = deposits.uuid and reader in (
        select $2::uuid union all select groups.uuid from groups where members @> array[$2::uuid]
      )
    )`
/** Two rows say that the handle does not name one deposit. */
const byHandle = {
  name: 'deposit_readers_by_handle',
  text: `select ${columns}, ${joinedColumns} from deposits
    join revisions on revisions.deposit = deposits.uuid and revisions.revision = deposits.revision
    where deposits.handle = $3 and deposits.state <> 'purged' and ${readable} limit 2`,
}
const byUuid = {
  name: 'deposit_readers_by_uuid',
  text: `select ${columns}, ${joinedColumns} from deposits
    join revisions on revisions.deposit = deposits.uuid and revisions.revision = deposits.revision
    where deposits.uuid = $3 and ${readable}
    union all
    select ${columns}, ${joinedColumns}
    from revisions join deposits on deposits.uuid = revisions.deposit
    where revisions.uuid = $3 and ${readable}`,
}
const remove = {
  name: 'deposit_readers_delete',
  text: 'delete from deposit_readers where deposit = $1 and reader <> all ($2::uuid[])',
}
const insert = {
  name: 'deposit_readers_insert',
  text: `insert into deposit_readers (deposit, reader)
    select $1::uuid, reader from unnest($2::uuid[]) as reader on conflict do nothing`,
}

export async function findShared(
  queries: Queries,
  { uuid: client, organisation }: Pick<Client, 'uuid' | 'organisation'>,
  ref: { readonly handle: Handle } | { readonly uuid: Uuid },
): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined> {
  const [statement, value] = 'handle' in ref ? [byHandle, ref.handle] : [byUuid, ref.uuid]
  const found = await findAll(queries, statement, [organisation, client, value], (row) => ({
    deposit: toDeposit(row),
    revision: toRevision(row),
  }))
  return found.length === 1 ? found[0] : undefined
}

export async function saveReaders(
  queries: Queries,
  deposit: Uuid,
  readers: readonly Uuid[],
): Promise<void> {
  await queries.run(remove, [deposit, readers])
  if (readers.length > 0) await queries.run(insert, [deposit, readers])
}
