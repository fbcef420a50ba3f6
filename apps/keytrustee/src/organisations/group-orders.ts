/** What administrators order about groups of clients. */
import { DomainError, newUuid, parseShortName, parseUuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { Client, Group, Organisation, Reader } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { type Order, readOrganisation } from './change-organisation.js'

export interface GroupOrder extends Order {
  readonly organisation: string
  readonly name: string
}

/**
 * Makes a group or changes its members. A new member may retrieve from its next request on; what was sealed on a client
 * before it came is not sealed for it.
 * @throws ERR_NOT_FOUND for an unknown organisation or client; ERR_INTEGRITY for a row that is not ours; ERR_CONFLICT when another
 * server changed the group at the same moment.
 */
export async function saveGroup(
  trustee: Trustee,
  order: GroupOrder & { readonly add: readonly string[]; readonly remove: readonly string[] },
): Promise<Group> {
  const organisation = await readOrganisation(trustee, order.organisation)
  return trustee.queue.withKeys([`group/${organisation.uuid}/${order.name}`], () =>
    changeMembers(trustee, order, organisation),
  )
}

async function changeMembers(
  trustee: Trustee,
  order: Parameters<typeof saveGroup>[1],
  organisation: Organisation,
): Promise<Group> {
  const before = await findOwn(trustee, trustee.store, { organisation, name: order.name })
  const members = new Set(before?.members)
  for (const ref of order.add) members.add((await findMember(trustee, organisation, ref)).uuid)
  for (const ref of order.remove)
    members.delete((await findMember(trustee, organisation, ref)).uuid)
  const group = trustee.grants.group({
    uuid: before?.uuid ?? newUuid(),
    organisation: organisation.uuid,
    name: parseShortName(order.name, 'name'),
    members: [...members].sort(),
    createdAt: before?.createdAt ?? trustee.clock.now(),
  })
  await write(trustee, order, { operation: 'group-save', group }, async (transaction) => {
    await transaction.lockOrganisation(organisation.uuid)
    const now = await findOwn(trustee, transaction, { organisation, name: order.name })
    // Of another server: its members would be lost, and one that it took out would be back.
    if (now?.grant !== before?.grant)
      throw new DomainError('ERR_CONFLICT', 'the group was changed meanwhile')
    await transaction.saveGroup(group)
  })
  return group
}

/** @throws ERR_NOT_FOUND */
export async function deleteGroup(trustee: Trustee, order: GroupOrder): Promise<Group> {
  const organisation = await readOrganisation(trustee, order.organisation)
  const name = parseShortName(order.name, 'name')
  const group = await trustee.store.findGroup({ organisation: organisation.uuid, name })
  if (!group) throw new DomainError('ERR_NOT_FOUND', `there is no group ${name}`)
  await write(trustee, order, { operation: 'group-delete', group }, (t) =>
    t.deleteGroup(group.uuid),
  )
  return group
}

async function findOwn(
  { grants }: Trustee,
  reader: Pick<Reader, 'findGroup'>,
  o: { readonly organisation: Organisation; readonly name: string },
): Promise<Group | undefined> {
  const organisation = o.organisation.uuid
  const group = await reader.findGroup({ organisation, name: parseShortName(o.name, 'name') })
  if (group && !grants.believesGroup(group))
    throw new DomainError('ERR_INTEGRITY', 'the group’s row was not written by this server')
  return group
}

async function findMember(
  { store }: Trustee,
  { uuid: organisation }: Organisation,
  ref: string,
): Promise<Client> {
  const client = await store.findClient(
    ref.length === 36
      ? { uuid: parseUuid(ref, 'member') }
      : { organisation, name: parseShortName(ref, 'member') },
  )
  if (client?.organisation === organisation) return client
  throw new DomainError('ERR_NOT_FOUND', `the organisation has no client ${ref}`)
}

function write(
  trustee: Trustee,
  { requestId, actor }: Order,
  { operation, group }: { readonly operation: string; readonly group: Group },
  change: Parameters<Trustee['store']['withTransaction']>[0],
): Promise<unknown> {
  const { uuid, organisation, name, members } = group
  const subjects = [{ group: uuid, organisation, name, members: members.join(' ') }]
  return audited(trustee.audit, { operation, requestId, actor, subjects }, 'done', () =>
    trustee.store.withTransaction(change),
  )
}
