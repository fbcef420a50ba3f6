import type { Uuid } from '@keyhsm/core'
import type { Group } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries } from './queries.js'

const columns = 'uuid, organisation, name, members, created_at, grant_mac'

const byUuid = {
  name: 'groups_by_uuid',
  text: `select ${columns} from groups where uuid = $1`,
}
const byName = {
  name: 'groups_by_name',
  text: `select ${columns} from groups where organisation = $1 and name = $2`,
}
const list = {
  name: 'groups_list',
  text: `select ${columns} from groups where organisation = $1 order by name`,
}
const ofMember = {
  name: 'groups_of_member',
  text: `select ${columns} from groups where members @> array[$1::uuid]`,
}
const save = {
  name: 'groups_save',
  text: `insert into groups (${columns}) values ($1, $2, $3, $4::uuid[], $5, $6)
    on conflict (uuid) do update
    set name = excluded.name, members = excluded.members, grant_mac = excluded.grant_mac`,
}
const remove = { name: 'groups_delete', text: 'delete from groups where uuid = $1' }

function toGroup(row: Columns): Group {
  return {
    uuid: row.uuid('uuid'),
    organisation: row.uuid('organisation'),
    name: row.text('name'),
    members: row.uuids('members'),
    createdAt: row.instant('created_at'),
    grant: row.text('grant_mac'),
  }
}

export function findGroup(
  queries: Queries,
  by: { readonly uuid: Uuid } | { readonly organisation: Uuid; readonly name: string },
): Promise<Group | undefined> {
  return 'uuid' in by
    ? findOne(queries, byUuid, [by.uuid], toGroup)
    : findOne(queries, byName, [by.organisation, by.name], toGroup)
}

export function listGroups(queries: Queries, organisation: Uuid): Promise<readonly Group[]> {
  return findAll(queries, list, [organisation], toGroup)
}

export function listGroupsOf(queries: Queries, client: Uuid): Promise<readonly Group[]> {
  return findAll(queries, ofMember, [client], toGroup)
}

export async function saveGroup(queries: Queries, row: Group): Promise<void> {
  const { uuid, organisation, name, members, createdAt, grant } = row
  await change(queries, save, [uuid, organisation, name, members, createdAt, grant])
}

export async function deleteGroup(queries: Queries, uuid: Uuid): Promise<void> {
  await change(queries, remove, [uuid])
}
