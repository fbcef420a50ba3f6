import type { Handle, Uuid } from '@keyhsm/core'
import type { Deposit, DepositPage } from '../store.js'
import { columns, toDeposit } from './deposits.js'
import { findAll, type Queries } from './queries.js'
import { joinedMetaColumns, toRevisionMeta } from './revisions.js'

/** `with ties` keeps the deposits of several owners under the last handle together. */
function listStatement(name: string, condition: string) {
  return {
    name: `deposits_list_${name}`,
    text: `select page.*, ${joinedMetaColumns} from (
        select ${columns} from deposits where ${condition} and state <> 'purged' and handle > $1
        order by handle fetch first $2 rows with ties
      ) as page
      join revisions on revisions.deposit = page.uuid and revisions.revision = page.revision
      order by page.handle, page.owner`,
  }
}
const lists = {
  all: listStatement('all', 'true'),
  owner: listStatement('owner', 'owner = $3'),
  organisation: listStatement('organisation', 'organisation = $3'),
  both: listStatement('both', 'owner = $3 and organisation = $4'),
}

const byHandle = {
  name: 'deposits_list_by_handle',
  text: `select ${columns} from deposits where handle = $1 and state <> 'purged' limit $2`,
}
const purging = {
  name: 'deposits_list_purging',
  text: `select ${columns} from deposits where state = 'purging'`,
}

interface DepositFilter {
  readonly owner?: Uuid
  readonly organisation?: Uuid
  readonly after?: Handle
  readonly limit: number
}

export async function listDeposits(queries: Queries, filter: DepositFilter): Promise<DepositPage> {
  // One row more than asked for says whether there is a next page; no handle sorts before ''.
  const cursor = [filter.after ?? '', filter.limit + 1]
  const { statement, values } = listFor(filter)
  const found = await findAll(queries, statement, [...cursor, ...values], (row) => ({
    ...toDeposit(row),
    latest: toRevisionMeta(row),
  }))
  const last = found[filter.limit - 1]?.handle
  if (last === undefined || found.length <= filter.limit)
    return { deposits: found, next: undefined }
  return { deposits: found.filter(({ handle }) => handle <= last), next: last }
}

function listFor({ owner, organisation }: DepositFilter) {
  if (owner !== undefined && organisation !== undefined)
    return { statement: lists.both, values: [owner, organisation] }
  if (owner !== undefined) return { statement: lists.owner, values: [owner] }
  if (organisation !== undefined) return { statement: lists.organisation, values: [organisation] }
  return { statement: lists.all, values: [] }
}

export function listByHandle(
  queries: Queries,
  handle: Handle,
  limit: number,
): Promise<readonly Deposit[]> {
  return findAll(queries, byHandle, [handle, limit], toDeposit)
}

export function listPurging(queries: Queries): Promise<readonly Deposit[]> {
  return findAll(queries, purging, [], toDeposit)
}
