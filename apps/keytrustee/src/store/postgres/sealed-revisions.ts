/** Revisions by what they need of the HSM. */
import type { HsmKeyId } from '@keyhsm/core'
import { type Columns, findAll, findOne, type Queries } from './queries.js'

const hsmKeyIds = {
  name: 'revisions_hsm_key_ids',
  text: `select distinct revisions.hsm_key_id
    from revisions join deposits on deposits.uuid = revisions.deposit
    where revisions.hsm_key_id > $1 and deposits.state <> 'purged'
    order by revisions.hsm_key_id limit $2`,
}
const sealedAfter = {
  name: 'revisions_sealed_after',
  text: `select count(*) as revisions from revisions
    where hsm_key_id is not null and created_at > $1`,
}

export function listHsmKeyIds(
  queries: Queries,
  { after, limit }: { readonly after?: HsmKeyId; readonly limit: number },
): Promise<readonly HsmKeyId[]> {
  const toId = (row: Columns) => row.text('hsm_key_id') as HsmKeyId
  return findAll(queries, hsmKeyIds, [after ?? '', limit], toId)
}

export async function countSealedAfter(queries: Queries, instant: Date): Promise<number> {
  return (await findOne(queries, sealedAfter, [instant], (row) => row.count('revisions'))) ?? 0
}
