import type { Handle, Uuid } from '@keyhsm/core'
import { formatPolicy, readPolicy } from '../../policies/policy.js'
import type { Deposit, Revision } from '../store.js'
import { parameterRows, type RowInsert } from './gathered-inserts.js'
import { type Columns, findOne, type Queries, type Statement, type Value } from './queries.js'
import {
  insertColumns as revisionColumns,
  joinedColumns,
  revisionValues,
  revisionWidth,
  toRevision,
} from './revisions.js'
import { changedMeanwhile } from './rules.js'

const names = [
  'uuid',
  'organisation',
  'owner',
  'handle',
  'state',
  'revision',
  'created_at',
  'updated_at',
  'undelete_until',
  'policy',
  'grant_mac',
]
export const columns = names.map((name) => `deposits.${name}`).join(', ')
const newest = 'revisions.deposit = deposits.uuid and revisions.revision = deposits.revision'

const byHandle = {
  name: 'deposits_by_handle',
  text: `select ${columns} from deposits
    where owner = $1 and handle = $2 and state <> 'purged'`,
}
const byUuid = {
  name: 'deposits_by_uuid',
  text: `select ${columns}, deposits.revision as found from deposits where uuid = $1
    union all
    select ${columns}, revisions.revision
    from revisions join deposits on deposits.uuid = revisions.deposit where revisions.uuid = $1`,
}
const forRetrievalByHandle = {
  name: 'deposits_for_retrieval_by_handle',
  text: `select ${columns}, ${joinedColumns} from deposits join revisions on ${newest}
    where deposits.owner = $1 and deposits.handle = $2 and deposits.state <> 'purged'`,
}
const forRetrievalByUuid = {
  name: 'deposits_for_retrieval_by_uuid',
  text: `select ${columns}, ${joinedColumns} from deposits join revisions on ${newest}
    where deposits.uuid = $2 and deposits.owner = $1
    union all
    select ${columns}, ${joinedColumns}
    from revisions join deposits on deposits.uuid = revisions.deposit
    where revisions.uuid = $2 and deposits.owner = $1`,
}
const count = {
  name: 'deposits_count',
  text: `select count(*) as deposits from deposits where state = 'active'`,
}
const stride = names.length + revisionWidth
/** With its first revision. Parameters: {@link depositRow}. */
export const depositInsert: RowInsert = {
  name: 'deposits_insert',
  text: (rows) => `with deposit as (
      insert into deposits (${names.join(', ')})
      values ${parameterRows(rows, { stride, width: names.length })}
    )
    insert into revisions (${revisionColumns})
    values ${parameterRows(rows, { stride, first: names.length + 1, width: revisionWidth })}`,
}
const append = {
  name: 'deposits_append',
  text: `with before as (
      select uuid, organisation, owner, state from deposits
      where uuid = $1 and revision = $2 - 1 and handle = $21::text and state = 'active'
        and grant_mac = $22::text
      for update
    ), after as (
      update deposits
      set state = $3, revision = $2, updated_at = $4, undelete_until = $5, policy = $6,
        grant_mac = $7
      from before where deposits.uuid = before.uuid
    ), next as (
      insert into revisions (${revisionColumns})
      select $8::uuid, $9::uuid, $10::integer, $11, $12::integer, $13, $14, $15, $16,
        $17::timestamptz, $18, $19::timestamptz, $20::bytea from before
    )
    select organisation, owner, state from before`,
}
const update = {
  name: 'deposits_update',
  text: `with before as (
      select uuid, organisation, owner, state from deposits
      where uuid = $1 and revision = $2 and handle = $8::text
        and (state in ('active', 'disabled') or state = 'purging' and $3 in ('purging', 'purged'))
      for update
    ), after as (
      update deposits
      set state = $3, updated_at = $4, undelete_until = $5, policy = $6, grant_mac = $7
      from before where deposits.uuid = before.uuid
    )
    select organisation, owner, state from before`,
}
const rename = {
  name: 'deposits_rename',
  text: `with before as (
      select uuid, organisation, owner, state from deposits
      where uuid = $1 and revision = $2 and handle = $8::text and state in ('active', 'disabled')
      for update
    ), after as (
      update deposits
      set state = $3, updated_at = $4, undelete_until = $5, policy = $6, grant_mac = $7,
        handle = $9::text
      from before where deposits.uuid = before.uuid
    )
    select organisation, owner, state from before`,
}
export const states = ['active', 'disabled', 'purging', 'purged'] as const

export function toDeposit(row: Columns): Deposit {
  const policy = readPolicy(row.optionalText('policy'))
  return {
    uuid: row.uuid('uuid'),
    organisation: row.uuid('organisation'),
    owner: row.uuid('owner'),
    handle: row.text('handle') as Handle,
    state: row.word('state', states),
    revision: row.integer('revision'),
    createdAt: row.instant('created_at'),
    updatedAt: row.instant('updated_at'),
    undeleteUntil: row.optionalInstant('undelete_until'),
    ...(policy === undefined ? {} : { policy }),
    grant: row.text('grant_mac'),
  }
}

export function findDeposit(
  queries: Queries,
  by: { readonly owner: Uuid; readonly handle: Handle },
): Promise<Deposit | undefined> {
  return findOne(queries, byHandle, [by.owner, by.handle], toDeposit)
}

export function findDepositByUuid(
  queries: Queries,
  uuid: Uuid,
): Promise<{ readonly deposit: Deposit; readonly revision: number } | undefined> {
  return findOne(queries, byUuid, [uuid], (row) => ({
    deposit: toDeposit(row),
    revision: row.integer('found'),
  }))
}

export function findForRetrieval(
  queries: Queries,
  owner: Uuid,
  ref: { readonly handle: Handle } | { readonly uuid: Uuid },
): Promise<{ readonly deposit: Deposit; readonly revision: Revision } | undefined> {
  const toFound = (row: Columns) => ({ deposit: toDeposit(row), revision: toRevision(row) })
  return 'handle' in ref
    ? findOne(queries, forRetrievalByHandle, [owner, ref.handle], toFound)
    : findOne(queries, forRetrievalByUuid, [owner, ref.uuid], toFound)
}

export async function countDeposits(queries: Queries): Promise<number> {
  return (await findOne(queries, count, [], (row) => row.count('deposits'))) ?? 0
}

export function depositRow(row: Deposit, first: Revision): readonly Value[] {
  const identity = [row.uuid, row.organisation, row.owner, row.handle]
  const instants = [row.createdAt, row.updatedAt, row.undeleteUntil ?? null]
  const policy = formatPolicy(row.policy) ?? null
  const deposit = [...identity, row.state, row.revision, ...instants, policy, row.grant]
  return [...deposit, ...revisionValues(first)]
}

/** What a changed deposit was before, for the quota counts. */
export type DepositBefore = Pick<Deposit, 'organisation' | 'owner' | 'state'>

/** @throws ERR_CONFLICT */
export function appendRevision(
  queries: Queries,
  row: Deposit,
  next: Revision,
  before: Pick<Deposit, 'grant'>,
): Promise<DepositBefore> {
  const values = [row.uuid, next.revision, ...changeable(row), ...revisionValues(next), row.handle]
  return changeDeposit(queries, append, [...values, before.grant])
}

/** `from`: the handle it had, where it gets another. @throws ERR_CONFLICT, ERR_ALREADY_EXISTS */
export function updateDeposit(
  queries: Queries,
  row: Deposit,
  from?: Handle,
): Promise<DepositBefore> {
  const values = [row.uuid, row.revision, ...changeable(row)]
  return from === undefined
    ? changeDeposit(queries, update, [...values, row.handle])
    : changeDeposit(queries, rename, [...values, from, row.handle])
}

function changeable(row: Deposit): readonly Value[] {
  const policy = formatPolicy(row.policy) ?? null
  return [row.state, row.updatedAt, row.undeleteUntil ?? null, policy, row.grant]
}

async function changeDeposit(
  queries: Queries,
  statement: Statement,
  values: readonly Value[],
): Promise<DepositBefore> {
  const before = await findOne(queries, statement, values, (row) => ({
    organisation: row.uuid('organisation'),
    owner: row.uuid('owner'),
    state: row.word('state', states),
  }))
  if (before === undefined) throw changedMeanwhile()
  return before
}
