/** Organisations and clients, on the rows in memory. */
import type { Uuid } from '@keyhsm/core'
import type { CallerRows, Client, Organisation, Reader } from '../store.js'
import { compareText, type Tables } from './tables.js'

export function listOrganisations(
  { organisations }: Tables,
  page: Parameters<Reader['listOrganisations']>[0],
): readonly Organisation[] {
  return [...organisations.values()]
    .filter(({ name }) => page?.after === undefined || name > page.after)
    .sort((a, b) => compareText(a.name, b.name))
    .slice(0, page?.limit)
}

export function findClient(
  { clients }: Tables,
  by: Parameters<Reader['findClient']>[0],
): Client | undefined {
  if ('uuid' in by) return clients.get(by.uuid)
  const matches = (client: Client) =>
    'name' in by
      ? client.organisation === by.organisation && client.name === by.name
      : client.keyFingerprint === by.keyFingerprint
  return [...clients.values()].find(matches)
}

export function findCaller({ clients, organisations }: Tables, uuid: Uuid): CallerRows | undefined {
  const client = clients.get(uuid)
  const organisation = client && organisations.get(client.organisation)
  return organisation && { client, organisation }
}
