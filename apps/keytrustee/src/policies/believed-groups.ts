import type { Uuid } from '@keyhsm/core'
import type { Client } from '../store/store.js'
import type { Trustee } from '../trustee.js'

/** Uuids of the groups whose rows this server wrote with this client in them. */
export async function believedGroupsOf(
  { store, grants }: Pick<Trustee, 'store' | 'grants'>,
  client: Client,
): Promise<readonly Uuid[]> {
  const groups = await store.listGroupsOf(client.uuid)
  return groups
    .filter((group) => group.organisation === client.organisation && grants.believesGroup(group))
    .map(({ uuid }) => uuid)
}
