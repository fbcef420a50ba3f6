/** The control socket's routes about organisations and their clients. */
import type { Uuid } from '@keyhsm/core'
import { identityFingerprint } from '@keyhsm/client'
import {
  addOrganisationRoute,
  deleteOrganisationRoute,
  listClientsRoute,
  listOrganisationsRoute,
  reenrolRoute,
  renameOrganisationRoute,
  type ReplyOf,
  setAuthRoute,
  setClientStateRoute,
  setOrganisationStateRoute,
  setRecoveryRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import { changeClientState } from '../clients/change-client-state.js'
import { orderReenrolment } from '../clients/reenrol-client.js'
import { readOrganisation } from '../organisations/change-organisation.js'
import {
  addOrganisation,
  deleteOrganisation,
  renameOrganisation,
  setOrganisationState,
  setRecovery,
} from '../organisations/organisation-orders.js'
import { setAuth, wayOf } from '../organisations/set-auth.js'
import type { Client, Organisation } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { orderOf } from './identify.js'

const defaultPageSize = 1000
/** A day: long enough to reach whoever has the machine, too short to be found later. */
const defaultCodeMs = 86_400_000

export function organisationRoutes(trustee: Trustee): BoundRoute[] {
  return [
    bindRoute(addOrganisationRoute, async ({ body, ...by }) => {
      const { organisation, auth } = await addOrganisation(trustee, { ...orderOf(by), ...body })
      return { organisation: toOrganisationReply(organisation), auth }
    }),
    bindRoute(listOrganisationsRoute, async ({ query: { after, limit = defaultPageSize } }) => {
      const from = after === undefined ? {} : { after }
      const found = await trustee.store.listOrganisations({ ...from, limit })
      const next = found.length < limit ? undefined : found.at(-1)?.name
      const organisations = found.map(toOrganisationReply)
      return { organisations, ...(next === undefined ? {} : { next }) }
    }),
    bindRoute(setAuthRoute, async ({ params, body, ...by }) => {
      const order = { ...orderOf(by), ...params, ...body }
      const { organisation, auth } = await setAuth(trustee, order)
      const reply = { organisation: toOrganisationReply(organisation) }
      return auth === undefined ? reply : { ...reply, auth }
    }),
    bindRoute(setOrganisationStateRoute, async ({ params, body, ...by }) =>
      shown(await setOrganisationState(trustee, { ...orderOf(by), ...params, ...body })),
    ),
    bindRoute(renameOrganisationRoute, async ({ params, body, ...by }) =>
      shown(await renameOrganisation(trustee, { ...orderOf(by), ...params, ...body })),
    ),
    bindRoute(setRecoveryRoute, async ({ params, body: { recipient }, ...by }) =>
      shown(await setRecovery(trustee, { ...orderOf(by), ...params, recipient })),
    ),
    bindRoute(deleteOrganisationRoute, async ({ params, ...by }) =>
      shown(await deleteOrganisation(trustee, { ...orderOf(by), ...params })),
    ),
  ]
}

export function enrolledRoutes(trustee: Trustee): BoundRoute[] {
  const { store } = trustee
  return [
    bindRoute(listClientsRoute, async ({ query }) => {
      const { organisation: name, state, after, limit = defaultPageSize } = query
      const clients = await store.listClients({
        ...(name === undefined
          ? {}
          : { organisation: (await readOrganisation(trustee, name)).uuid }),
        ...(state === undefined ? {} : { state }),
        ...(after === undefined ? {} : { after: after as Uuid }),
        limit,
      })
      const next = clients.length < limit ? undefined : clients.at(-1)?.uuid
      const page = await toClientReplies(trustee, clients)
      return { clients: page, ...(next === undefined ? {} : { next }) }
    }),
    bindRoute(setClientStateRoute, async ({ params, body, ...by }) => {
      const client = await changeClientState(trustee, { ...orderOf(by), ...params, ...body })
      return { client: await toClientReply(trustee, client) }
    }),
    bindRoute(reenrolRoute, async ({ params, body, ...by }) => {
      const { expiresInMs = defaultCodeMs } = body
      const order = { ...orderOf(by), ...params, expiresInMs }
      const { client, code, until } = await orderReenrolment(trustee, order)
      const expiresAt = until.toISOString()
      return { client: await toClientReply(trustee, client), code, expiresAt }
    }),
  ]
}

function shown(organisation: Organisation) {
  return { organisation: toOrganisationReply(organisation) }
}

function toOrganisationReply(
  row: Organisation,
): ReplyOf<typeof listOrganisationsRoute>['organisations'][number] {
  const { uuid, name, state, authExpiresAt, authUsesLeft, recovery } = row
  return {
    uuid,
    name,
    state,
    enrolment: wayOf(row),
    ...(authExpiresAt === undefined ? {} : { authExpiresAt: authExpiresAt.toISOString() }),
    ...(authUsesLeft === undefined ? {} : { authUsesLeft }),
    ...(recovery === undefined ? {} : { recovery }),
    contacts: [...row.contacts],
    createdAt: row.createdAt.toISOString(),
  }
}

type ClientReply = ReplyOf<typeof listClientsRoute>['clients'][number]

async function toClientReplies(
  { store }: Trustee,
  clients: readonly Client[],
): Promise<ClientReply[]> {
  const uuids = [...new Set(clients.map(({ organisation }) => organisation))]
  const found = await Promise.all(uuids.map((uuid) => store.findOrganisation({ uuid })))
  const names = new Map(found.map((organisation) => [organisation?.uuid, organisation?.name]))
  return clients.map((row) => ({
    uuid: row.uuid,
    organisation: row.organisation,
    organisationName: names.get(row.organisation) ?? 'unknown',
    name: row.name,
    state: row.state,
    keyFingerprint: row.keyFingerprint,
    identityFingerprint: identityFingerprint(row.identityKey),
    ...(row.reenrolment === undefined
      ? {}
      : { reenrolmentUntil: row.reenrolment.until.toISOString() }),
    createdAt: row.createdAt.toISOString(),
  }))
}

async function toClientReply(trustee: Trustee, client: Client): Promise<ClientReply> {
  const [reply] = await toClientReplies(trustee, [client])
  if (!reply) throw new Error('one client has one reply')
  return reply
}
