import { DomainError } from '@keyhsm/core'
import type { Client } from '../store/store.js'
import type { Trustee } from '../trustee.js'

/** Changes a client's row as it is now, under its organisation's lock. @throws ERR_NOT_FOUND, ERR_INTEGRITY */
export function changeClient(
  trustee: Trustee,
  { uuid, organisation }: Client,
  change: (before: Client) => Omit<Client, 'grant'>,
): Promise<Client> {
  return trustee.store.withTransaction(async (transaction) => {
    await transaction.lockOrganisation(organisation)
    const before = await transaction.findClient({ uuid })
    if (!before) throw new DomainError('ERR_NOT_FOUND', 'there is no such client')
    if (!trustee.grants.believesClient(before))
      throw new DomainError('ERR_INTEGRITY', 'the client’s row was not written by this server')
    const after = trustee.grants.client(change(before))
    await transaction.updateClient(after)
    return after
  })
}
