import { DomainError, parseUuid, type Uuid } from '@keyhsm/core'
import type { findPeersRoute, ReplyOf } from '@keyhsm/protocol'
import type { Client, Group } from '../store/store.js'
import type { Caller, Trustee } from '../trustee.js'

type Peers = ReplyOf<typeof findPeersRoute>

/**
 * A client or the members of a group of the caller's organisation, active ones only; by name, client before group, or uuid.
 * @throws ERR_NOT_FOUND
 */
export async function findPeers(trustee: Trustee, caller: Caller, ref: string): Promise<Peers> {
  const organisation = caller.organisation.uuid
  const by = toKey(ref, organisation)
  const client = await trustee.store.findClient(by)
  if (client && isOurs(trustee, organisation, client)) return { clients: [toPeer(client)] }
  const group = await trustee.store.findGroup(by)
  if (group?.organisation !== organisation || !trustee.grants.believesGroup(group))
    throw new DomainError('ERR_NOT_FOUND', `the organisation has no client or group ${ref}`)
  return readGroup(trustee, group)
}

async function readGroup(trustee: Trustee, { uuid, name, organisation, members }: Group) {
  const clients = await trustee.store.listClients({ organisation, state: 'active' })
  const active = clients.filter(
    (client) => members.includes(client.uuid) && isOurs(trustee, organisation, client),
  )
  return { clients: active.map(toPeer), group: { uuid, name } }
}

function isOurs({ grants }: Trustee, organisation: Uuid, client: Client): boolean {
  return (
    client.organisation === organisation &&
    client.state === 'active' &&
    grants.believesClient(client)
  )
}

function toPeer({ uuid, name, identityKey, recipient, recipientSignature }: Client) {
  const signed = recipientSignature === undefined ? {} : { recipientSignature }
  return { uuid, name, identityKey, recipient, ...signed }
}

function toKey(ref: string, organisation: Uuid) {
  try {
    return { uuid: parseUuid(ref) }
  } catch {
    return { organisation, name: ref }
  }
}
