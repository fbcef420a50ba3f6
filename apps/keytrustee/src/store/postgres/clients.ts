import type { Uuid } from '@keyhsm/core'
import type { Client, Reader } from '../store.js'
import { type Columns, change, findAll, findOne, type Queries } from './queries.js'
import { notFound } from './rules.js'

const columns =
  'uuid, organisation, name, state, key_fingerprint, identity_key, recipient, recipient_signature, created_at, grant_mac'

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
    order by organisation, name`,
}
const insert = {
  name: 'clients_insert',
  text: `insert into clients (${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
}
const update = {
  name: 'clients_update',
  text: `update clients
    set name = $2, state = $3, key_fingerprint = $4, identity_key = $5, recipient = $6,
      recipient_signature = $7, grant_mac = $8
    where uuid = $1`,
}

function toClient(row: Columns): Client {
  const recipientSignature = row.optionalText('recipient_signature')
  return {
    uuid: row.uuid('uuid'),
    organisation: row.uuid('organisation'),
    name: row.text('name'),
    state: row.word('state', ['waiting', 'active', 'disabled']),
    keyFingerprint: row.fingerprint('key_fingerprint'),
    identityKey: row.text('identity_key'),
    recipient: row.text('recipient'),
    ...(recipientSignature === undefined ? {} : { recipientSignature }),
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
  filter: { readonly organisation?: Uuid; readonly state?: Client['state'] },
): Promise<readonly Client[]> {
  return findAll(queries, list, [filter.organisation ?? null, filter.state ?? null], toClient)
}

export async function insertClient(queries: Queries, row: Client): Promise<void> {
  const { uuid, organisation, name, state, keyFingerprint, createdAt, grant } = row
  const keys = [keyFingerprint, row.identityKey, row.recipient, row.recipientSignature ?? null]
  await change(queries, insert, [uuid, organisation, name, state, ...keys, createdAt, grant])
}

export async function updateClient(queries: Queries, row: Client): Promise<void> {
  const { uuid, name, state, keyFingerprint, identityKey, recipient, grant } = row
  const { recipientSignature = null } = row
  const keys = [keyFingerprint, identityKey, recipient, recipientSignature]
  const values = [uuid, name, state, ...keys, grant]
  if ((await change(queries, update, values)) === 0) throw notFound()
}
