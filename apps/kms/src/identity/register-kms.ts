/** The first instance enrols a client; whoever comes later must be the same one. */
import {
  type ClientSettings,
  findClientSettings,
  registerClient,
  type Registration,
} from '@keyhsm/client'
import { DomainError, hasCode } from '@keyhsm/core'
import type { Paths } from '../paths.js'

export interface RegisteredKms {
  readonly client: string
  readonly clientName: string
  readonly server: string
  readonly state: 'active' | 'waiting'
}

/** Enrols, or finishes what waits for approval; an active registration stays as it is. @throws what registering throws. */
export async function registerKms(paths: Paths, wish: Registration): Promise<RegisteredKms> {
  const earlier = await findClientSettings(paths.client)
  if (earlier?.state === 'active') return toRegistered(requireSame(earlier, wish))
  const { settings } = await registerClient(paths.client, wish).catch((error: unknown) => {
    if (hasCode(error, 'ERR_ALREADY_EXISTS')) throw anotherKms(wish, error)
    throw error
  })
  return toRegistered(settings)
}

/** Two instances with two identities would each see only half of the zone keys: the worst fault that this product line knew. */
function anotherKms({ clientName, defaultName }: Registration, cause: unknown): DomainError {
  return new DomainError(
    'ERR_ALREADY_EXISTS',
    `the organisation has a KMS called ${clientName ?? defaultName()} already`,
    {
      cause,
      hints: [
        'a further instance must have its identity: on a working one run keytrustee-kms identity --output FILE',
        'then here: keytrustee-kms init --join FILE',
        'a KMS with zone keys of its own needs another name: --clientname',
      ],
    },
  )
}

function requireSame(earlier: ClientSettings, wish: Registration): ClientSettings {
  const same =
    (wish.server ?? earlier.server) === earlier.server &&
    (wish.organisationName ?? earlier.organisationName) === earlier.organisationName
  if (same) return earlier
  throw new DomainError(
    'ERR_ALREADY_EXISTS',
    `this KMS is registered already, with ${earlier.server} in ${earlier.organisationName}`,
    { hints: ['use another --home DIR for a second KMS'] },
  )
}

function toRegistered({ client, clientName, server, state }: ClientSettings): RegisteredKms {
  return { client, clientName, server, state }
}
