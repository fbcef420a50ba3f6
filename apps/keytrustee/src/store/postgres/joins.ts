import type { Join } from '../store.js'
import { type Columns, findOne, type Queries } from './queries.js'

const find = {
  name: 'joins_find',
  text: 'select url, realm, canary, domain, joined_at from joins',
}
const save = {
  name: 'joins_save',
  text: `insert into joins (url, realm, canary, domain, joined_at) values ($1, $2, $3, $4, $5)
    on conflict (singleton) do update set url = excluded.url, realm = excluded.realm,
      canary = excluded.canary, domain = excluded.domain, joined_at = excluded.joined_at`,
}
const remove = { name: 'joins_delete', text: 'delete from joins' }

function toJoin(row: Columns): Join {
  return {
    url: row.text('url'),
    realm: row.text('realm'),
    canary: row.fingerprint('canary'),
    domain: row.text('domain'),
    joinedAt: row.instant('joined_at'),
  }
}

export function findJoin(queries: Queries): Promise<Join | undefined> {
  return findOne(queries, find, [], toJoin)
}

export async function saveJoin(queries: Queries, row: Join): Promise<void> {
  await queries.run(save, [row.url, row.realm, row.canary, row.domain, row.joinedAt])
}

export async function deleteJoin(queries: Queries): Promise<void> {
  await queries.run(remove, [])
}
