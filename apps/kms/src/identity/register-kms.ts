/** The first instance enrols a client; whoever comes later must be the same one. */
import {
  type ClientSettings,
  type Enrolment,
  enrolClient,
  findClientSettings,
  makeClientKeys,
  writeLocalClient,
} from '@keyhsm/client'
import { DomainError, hasCode, invalidInput, parseUuid } from '@keyhsm/core'
import type { Paths } from '../paths.js'

export interface Registered {
  readonly client: string
  readonly clientName: string
  readonly server: string
  readonly state: 'active' | 'waiting'
}

export interface RegisterOrder {
  /** Absent: what an earlier call said. */
  readonly server: string | undefined
  readonly organisationName: string | undefined
  readonly clientName: string
  findAuth(): string | undefined
  /** PEM to pin the server by, decided before anything secret is sent. */
  recognise(url: string, pinned: string | undefined): Promise<string>
}

/** Enrols, or finishes what waits for approval; an active registration stays as it is. @throws what recognising and enrolling throw. */
export async function registerKms(paths: Paths, order: RegisterOrder): Promise<Registered> {
  const earlier = await findClientSettings(paths.client)
  if (earlier?.state === 'active') return toRegistered(requireSame(earlier, order))
  const { server, organisationName } = readPlace(order, earlier)
  const { clientName } = order
  const auth = order.findAuth()
  const pinned = earlier?.server === server ? earlier.serverCertificates : undefined
  const serverCertificates = await order.recognise(server, pinned)
  const keys = await makeClientKeys(paths.client)
  const wish = { server, organisationName, clientName, serverCertificates }
  const enrolment = await enrolClient({ ...wish, auth }, keys).catch((error: unknown) => {
    if (hasCode(error, 'ERR_ALREADY_EXISTS')) throw anotherKms(clientName, error)
    throw error
  })
  const settings = toSettings(wish, enrolment)
  await writeLocalClient(paths.client, settings, enrolment.certificate)
  return toRegistered(settings)
}

/** Where to enrol; what waits is finished without repeating it. */
function readPlace(order: RegisterOrder, earlier: ClientSettings | undefined) {
  const server = order.server ?? earlier?.server
  const organisationName = order.organisationName ?? earlier?.organisationName
  if (server === undefined) throw invalidInput('--server', 'is required')
  if (organisationName === undefined) throw invalidInput('--org', 'is required')
  return { server, organisationName }
}

/** Two instances with two identities would each see only half of the zone keys: the worst fault that this product line knew. */
function anotherKms(clientName: string, cause: unknown): DomainError {
  return new DomainError(
    'ERR_ALREADY_EXISTS',
    `the organisation has a KMS called ${clientName} already`,
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

function requireSame(earlier: ClientSettings, order: RegisterOrder): ClientSettings {
  const same =
    (order.server ?? earlier.server) === earlier.server &&
    (order.organisationName ?? earlier.organisationName) === earlier.organisationName
  if (same) return earlier
  throw new DomainError(
    'ERR_ALREADY_EXISTS',
    `this KMS is registered already, with ${earlier.server} in ${earlier.organisationName}`,
    { hints: ['use another --home DIR for a second KMS'] },
  )
}

function toSettings(
  wish: Omit<RegisterOrder, 'findAuth' | 'recognise'> & {
    readonly server: string
    readonly organisationName: string
    readonly serverCertificates: string
  },
  enrolment: Enrolment,
): ClientSettings {
  return {
    version: 1,
    server: wish.server,
    serverCertificates: wish.serverCertificates,
    organisationName: wish.organisationName,
    organisation: parseUuid(enrolment.organisation),
    clientName: wish.clientName,
    client: parseUuid(enrolment.client),
    state: enrolment.state,
  }
}

function toRegistered({ client, clientName, server, state }: ClientSettings): Registered {
  return { client, clientName, server, state }
}
