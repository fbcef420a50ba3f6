import type { Client, Reader } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries, type Value } from './queries.js'
import { notFound } from './rules.js'

export const clientNames = [
  'uuid',
  'organisation',
  'name',
  'state',
  'key_fingerprint',
  'identity_key',
  'recipient',
  'recipient_signature',
  'reenrolment_hash',
  'reenrolment_until',
  'grant_mac',
  'created_at',
]
const columns = clientNames.join(', ')

const byUuid = {
  name: 'clients_by_uuid',
  text: `select ${columns} from clients where uuid = $1`,
}
const byKey = {
  name: 'clients_by_key',
  text: `select ${columns} from clients where key_fingerprint = $1`,
}
const byName = {
  name: 'clients_by_name',
  text: `select ${columns} from clients where organisation = $1 and name = $2`,
}
const list = {
  name: 'clients_list',
  text: `select ${columns} from clients
    where ($1::uuid is null or organisation = $1) and ($2::text is null or state = $2)
      and ($3::uuid is null or (organisation, name) >
        (select organisation, name from clients as before where before.uuid = $3))
    order by organisation, name limit $4`,
}
const insert = {
  name: 'clients_insert',
  text: `insert into clients (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
}
const update = {
  name: 'clients_update',
  text: `update clients
    set name = $2, state = $3, key_fingerprint = $4, identity_key = $5, recipient = $6,
      recipient_signature = $7, reenrolment_hash = $8, reenrolment_until = $9, grant_mac = $10
    where uuid = $1`,
}

export function toClient(row: Columns): Client {
  const recipientSignature = row.optionalText('recipient_signature')
  const hash = row.optionalText('reenrolment_hash')
  return {
    uuid: row.uuid('uuid'),
    organisation: row.uuid('organisation'),
    name: row.text('name'),
    state: row.word('state', ['waiting', 'active', 'disabled']),
    keyFingerprint: row.fingerprint('key_fingerprint'),
    identityKey: row.text('identity_key'),
    recipient: row.text('recipient'),
    ...(recipientSignature === undefined ? {} : { recipientSignature }),
    ...(hash === undefined
      ? {}
      : { reenrolment: { hash, until: row.instant('reenrolment_until') } }),
    createdAt: row.instant('created_at'),
    grant: row.text('grant_mac'),
  }
}

export function findClient(
  queries: Queries,
  by: Parameters<Reader['findClient']>[0],
): Promise<Client | undefined> {
  if ('name' in by) return findOne(queries, byName, [by.organisation, by.name], toClient)
  return 'uuid' in by
    ? findOne(queries, byUuid, [by.uuid], toClient)
    : findOne(queries, byKey, [by.keyFingerprint], toClient)
}

export function listClients(
  queries: Queries,
  filter: Parameters<Reader['listClients']>[0],
): Promise<readonly Client[]> {
  const { organisation = null, state = null, after = null, limit = null } = filter
  return findAll(queries, list, [organisation, state, after, limit], toClient)
}

export async function insertClient(queries: Queries, row: Client): Promise<void> {
  const [uuid = null, ...others] = changeable(row)
  await change(queries, insert, [uuid, row.organisation, ...others, row.createdAt])
}

export async function updateClient(queries: Queries, row: Client): Promise<void> {
  if ((await change(queries, update, changeable(row))) === 0) throw notFound()
}

/** All but organisation and creation, in the order of the columns. */
function changeable(row: Client): Value[] {
  const { uuid, name, state, keyFingerprint, identityKey, recipient, grant } = row
  const { recipientSignature = null, reenrolment } = row
  const keys = [keyFingerprint, identityKey, recipient, recipientSignature]
  return [uuid, name, state, ...keys, reenrolment?.hash ?? null, reenrolment?.until ?? null, grant]
}
