import type { Uuid } from '@keyhsm/core'
import type { Organisation } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries } from './queries.js'
import { notFound } from './rules.js'

const columns = 'uuid, name, state, auth_hash, contacts, created_at, grant_mac'

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
  text: `select ${columns} from organisations order by name`,
}
const insert = {
  name: 'organisations_insert',
  text: `insert into organisations (${columns}) values ($1, $2, $3, $4, $5, $6, $7)`,
}
const update = {
  name: 'organisations_update',
  text: `update organisations set name = $2, state = $3, auth_hash = $4, contacts = $5, grant_mac = $6
    where uuid = $1`,
}
/** NO KEY: rows that refer to the organisation may be inserted meanwhile, another lock of it has to wait. */
const lock = {
  name: 'organisations_lock',
  text: 'select uuid from organisations where uuid = $1 for no key update',
}

function toOrganisation(row: Columns): Organisation {
  return {
    uuid: row.uuid('uuid'),
    name: row.text('name'),
    state: row.word('state', ['active', 'suspended']),
    authHash: row.optionalText('auth_hash'),
    contacts: row.texts('contacts'),
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

export function listOrganisations(queries: Queries): Promise<readonly Organisation[]> {
  return findAll(queries, list, [], toOrganisation)
}

export async function insertOrganisation(queries: Queries, row: Organisation): Promise<void> {
  const { uuid, name, state, authHash = null, contacts, createdAt, grant } = row
  await change(queries, insert, [uuid, name, state, authHash, contacts, createdAt, grant])
}

export async function updateOrganisation(queries: Queries, row: Organisation): Promise<void> {
  const { uuid, name, state, authHash = null, contacts, grant } = row
  const changed = await change(queries, update, [uuid, name, state, authHash, contacts, grant])
  if (changed === 0) throw notFound()
}

export async function lockOrganisation(queries: Queries, uuid: Uuid): Promise<void> {
  if ((await change(queries, lock, [uuid])) === 0) throw notFound()
}
