import { hasCode, type Uuid } from '@keyhsm/core'
import type { Organisation, Reader } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries, type Value } from './queries.js'
import { changedMeanwhile, notFound } from './rules.js'

export const organisationNames = [
  'uuid',
  'name',
  'state',
  'auth_hash',
  'contacts',
  'auth_expires_at',
  'auth_uses_left',
  'open',
  'recovery',
  'grant_mac',
  'created_at',
]
const columns = organisationNames.join(', ')

const byUuid = {
  name: 'organisations_by_uuid',
  text: `select ${columns} from organisations where uuid = $1`,
}
const byName = {
  name: 'organisations_by_name',
  text: `select ${columns} from organisations where name = $1`,
}
const list = {
  name: 'organisations_list',
  text: `select ${columns} from organisations where $1::short_name is null or name > $1
    order by name limit $2`,
}
const insert = {
  name: 'organisations_insert',
  text: `insert into organisations (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
}
const update = {
  name: 'organisations_update',
  text: `update organisations
    set name = $2, state = $3, auth_hash = $4, contacts = $5, auth_expires_at = $6,
      auth_uses_left = $7, open = $8, recovery = $9, grant_mac = $10
    where uuid = $1`,
}
/** NO KEY: rows that refer to the organisation may be inserted meanwhile, another lock of it has to wait. */
const lock = {
  name: 'organisations_lock',
  text: 'select uuid from organisations where uuid = $1 for no key update',
}
/** A function of the schema: this role may not delete deposits or clients itself. */
const remove = {
  name: 'organisations_delete',
  text: 'select delete_organisation($1) as outcome',
}
const removalOutcomes = ['deleted', 'absent', 'in use'] as const

export function toOrganisation(row: Columns): Organisation {
  const authExpiresAt = row.optionalInstant('auth_expires_at')
  const authUsesLeft = row.optionalInteger('auth_uses_left')
  const recovery = row.optionalText('recovery')
  return {
    uuid: row.uuid('uuid'),
    name: row.text('name'),
    state: row.word('state', ['active', 'suspended']),
    authHash: row.optionalText('auth_hash'),
    contacts: row.texts('contacts'),
    ...(authExpiresAt === undefined ? {} : { authExpiresAt }),
    ...(authUsesLeft === undefined ? {} : { authUsesLeft }),
    ...(row.flag('open') ? { open: true } : {}),
    ...(recovery === undefined ? {} : { recovery }),
    createdAt: row.instant('created_at'),
    grant: row.text('grant_mac'),
  }
}

export function findOrganisation(
  queries: Queries,
  by: { readonly uuid: Uuid } | { readonly name: string },
): Promise<Organisation | undefined> {
  return 'uuid' in by
    ? findOne(queries, byUuid, [by.uuid], toOrganisation)
    : findOne(queries, byName, [by.name], toOrganisation)
}

export function listOrganisations(
  queries: Queries,
  page: Parameters<Reader['listOrganisations']>[0],
): Promise<readonly Organisation[]> {
  return findAll(queries, list, [page?.after ?? null, page?.limit ?? null], toOrganisation)
}

export async function insertOrganisation(queries: Queries, row: Organisation): Promise<void> {
  await change(queries, insert, [...changeable(row), row.createdAt])
}

export async function updateOrganisation(queries: Queries, row: Organisation): Promise<void> {
  if ((await change(queries, update, changeable(row))) === 0) throw notFound()
}

/** All but the creation, in the order of the columns. */
function changeable(row: Organisation): Value[] {
  const { uuid, name, state, authHash = null, contacts, grant } = row
  const { authExpiresAt = null, authUsesLeft = null, open = false, recovery = null } = row
  const enrolment = [authExpiresAt, authUsesLeft, open, recovery]
  return [uuid, name, state, authHash, contacts, ...enrolment, grant]
}

export async function lockOrganisation(queries: Queries, uuid: Uuid): Promise<void> {
  if ((await change(queries, lock, [uuid])) === 0) throw notFound()
}

export async function deleteOrganisation(queries: Queries, uuid: Uuid): Promise<void> {
  const outcome = await findOne(queries, remove, [uuid], (row) =>
    row.word('outcome', removalOutcomes),
  ).catch((error: unknown) => {
    // A put that was under way has committed between its look and its end: something refers to what would go.
    throw hasCode(error, 'ERR_NOT_FOUND') ? changedMeanwhile() : error
  })
  if (outcome === 'absent') throw notFound()
  if (outcome === 'in use') throw changedMeanwhile()
}
