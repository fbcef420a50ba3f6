/** The trustees that an owner asks for. */
import { invalidInput } from '@keyhsm/core'
import type { TrusteesField } from '@keyhsm/protocol'
import type { Client, Reader } from '../store/store.js'
import type { Caller } from '../trustee.js'
import { rawIdentityKey, type Trustees, type Trusteeship } from './trustees.js'

/**
 * A wish as it came over the wire; undefined takes trustees away. Each key must be that of an active client of the caller's
 * organisation, and none the caller's own.
 * @throws ERR_INVALID_INPUT
 */
export async function parseTrustees(
  store: Pick<Reader, 'listClients'>,
  { client: owner, organisation }: Caller,
  raw: TrusteesField,
): Promise<Trustees | undefined> {
  const { required, keys } = raw
  if (required > keys.length || (required === 0) !== (keys.length === 0))
    throw invalidInput('trustees.required', 'must be from 1 to the number of trustees')
  if (required === 0) return undefined
  const clients = await store.listClients({ organisation: organisation.uuid, state: 'active' })
  const trustees = keys.map((key) => toTrusteeship(key, clients, owner))
  if (new Set(trustees.map(({ key }) => key)).size !== trustees.length)
    throw invalidInput('trustees.keys', 'must be different ones')
  trustees.sort((a, b) =>
    Buffer.compare(Buffer.from(a.key, 'base64'), Buffer.from(b.key, 'base64')),
  )
  return { required, trustees }
}

function toTrusteeship(spki: string, clients: readonly Client[], owner: Client): Trusteeship {
  const client = clients.find(({ identityKey }) => identityKey === spki)
  if (!client)
    throw invalidInput(
      'trustees.keys',
      'must be identity keys of active clients of the organisation',
    )
  if (client.uuid === owner.uuid)
    throw invalidInput(
      'trustees.keys',
      'must not be the owner’s: nobody approves their own request',
    )
  return { client: client.uuid, key: rawIdentityKey(spki).toString('base64') }
}
