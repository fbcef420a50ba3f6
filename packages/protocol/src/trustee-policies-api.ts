/** What administrators ask of a running Trustee Server about policies and groups. */
import Type from 'typebox'
import { PolicySchema } from './policy.js'
import { defineRoute } from './route.js'
import { InstantField, NameField, UuidField } from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'
import { DepositField } from './trustee-api.js'

/** A deposit's uuid, or a handle that one client has. */
export const DepositRef = Type.Object({ ref: Type.String({ maxLength: 128 }) }, exact)

export const setAnyPolicyRoute = defineRoute({
  ...adminDefaults,
  method: 'PUT',
  path: '/v1/admin/deposits/:ref/policy',
  params: DepositRef,
  body: PolicySchema,
  reply: DepositField,
  summary: 'lay down when and by whom anybody’s deposit may be retrieved',
})

export const explainPolicyRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/deposits/:ref/explanation',
  params: DepositRef,
  query: Type.Object(
    {
      client: UuidField,
      /** Default: now. */
      at: Type.Optional(InstantField),
      /** IP address; default 127.0.0.1. */
      from: Type.Optional(Type.String({ maxLength: 64 })),
    },
    exact,
  ),
  reply: Type.Object({
    allowed: Type.Boolean(),
    /** The first rule that does not hold. */
    reason: Type.Optional(Type.String()),
    used: Type.Integer(),
    maxRetrievals: Type.Optional(Type.Integer()),
    rules: Type.Array(
      Type.Object({ rule: Type.String(), reason: Type.String(), holds: Type.Boolean() }),
    ),
  }),
  summary: 'say what would be decided about a retrieval, rule by rule',
})

export const GroupField = Type.Object({
  uuid: UuidField,
  organisation: UuidField,
  name: NameField,
  members: Type.Array(Type.Object({ uuid: UuidField, name: NameField })),
  createdAt: InstantField,
})

const GroupParams = Type.Object({ organisation: NameField, name: NameField }, exact)

export const listGroupsRoute = defineRoute({
  ...adminDefaults,
  method: 'GET',
  path: '/v1/admin/organisations/:organisation/groups',
  params: Type.Object({ organisation: NameField }, exact),
  reply: Type.Object({ groups: Type.Array(GroupField) }),
  summary: 'list the groups of an organisation',
})

export const saveGroupRoute = defineRoute({
  ...adminDefaults,
  method: 'PUT',
  path: '/v1/admin/organisations/:organisation/groups/:name',
  params: GroupParams,
  body: Type.Object(
    {
      /** Names or uuids of clients of the organisation. */
      add: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 1000 })),
      remove: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 1000 })),
    },
    exact,
  ),
  reply: GroupField,
  summary: 'make a group, or change its members',
})

export const deleteGroupRoute = defineRoute({
  ...adminDefaults,
  method: 'DELETE',
  path: '/v1/admin/organisations/:organisation/groups/:name',
  params: GroupParams,
  reply: GroupField,
  summary: 'delete a group; policies that name it no longer let its members in',
})

export const trusteePolicyRoutes = [
  setAnyPolicyRoute,
  explainPolicyRoute,
  listGroupsRoute,
  saveGroupRoute,
  deleteGroupRoute,
] as const
