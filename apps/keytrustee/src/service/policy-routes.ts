/** The control socket's routes about policies and groups. */
import { isIP } from 'node:net'
import { invalidInput, type Uuid } from '@keyhsm/core'
import {
  deleteGroupRoute,
  explainPolicyRoute,
  listGroupsRoute,
  type ReplyOf,
  saveGroupRoute,
  setAnyPolicyRoute,
} from '@keyhsm/protocol'
import { type BoundRoute, bindRoute } from '@keyhsm/service'
import { findAny } from '../deposits/find-any.js'
import { deleteGroup, saveGroup } from '../organisations/group-orders.js'
import { readOrganisation } from '../organisations/change-organisation.js'
import { noSuchClient } from '../clients/change-client-state.js'
import { explainPolicy } from '../policies/explain-policy.js'
import { setPolicy } from '../policies/set-policy.js'
import type { Group } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { orderOf } from './identify.js'

export function policyRoutes(trustee: Trustee): BoundRoute[] {
  const { store } = trustee
  return [
    bindRoute(setAnyPolicyRoute, async ({ params, body: policy, ...by }) => {
      const { uuid } = await findAny(store, params.ref)
      return setPolicy(trustee, { ...orderOf(by), policy }, uuid)
    }),
    bindRoute(explainPolicyRoute, async ({ params, query }) => {
      const deposit = await findAny(store, params.ref)
      const client = await store.findClient({ uuid: query.client as Uuid })
      if (!client) throw noSuchClient()
      const { from = '127.0.0.1' } = query
      if (isIP(from) === 0) throw invalidInput('from', 'must be an IP address')
      const at = query.at === undefined ? trustee.clock.now() : parseInstant(query.at)
      return explainPolicy(trustee, deposit, { client, at, from })
    }),
    bindRoute(listGroupsRoute, async ({ params }) => {
      const { uuid } = await readOrganisation(trustee, params.organisation)
      const groups = await store.listGroups(uuid)
      return { groups: await Promise.all(groups.map((group) => toGroupReply(trustee, group))) }
    }),
    bindRoute(saveGroupRoute, async ({ params, body, ...by }) => {
      const { add = [], remove = [] } = body
      return toGroupReply(
        trustee,
        await saveGroup(trustee, { ...orderOf(by), ...params, add, remove }),
      )
    }),
    bindRoute(deleteGroupRoute, async ({ params, ...by }) =>
      toGroupReply(trustee, await deleteGroup(trustee, { ...orderOf(by), ...params })),
    ),
  ]
}

type GroupReply = ReplyOf<typeof saveGroupRoute>

async function toGroupReply({ store }: Trustee, group: Group): Promise<GroupReply> {
  const clients = await store.listClients({ organisation: group.organisation })
  const names = new Map(clients.map(({ uuid, name }) => [uuid, name]))
  const { uuid, organisation, name, createdAt } = group
  const members = group.members.map((member) => ({
    uuid: member,
    name: names.get(member) ?? 'unknown',
  }))
  return { uuid, organisation, name, members, createdAt: createdAt.toISOString() }
}

function parseInstant(text: string): Date {
  const instant = new Date(text)
  if (Number.isNaN(instant.getTime())) throw invalidInput('at', 'must be an instant in ISO 8601')
  return instant
}
