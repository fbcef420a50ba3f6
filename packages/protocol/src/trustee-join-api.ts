/** What administrators ask of a running Trustee Server about its Key HSM: joining it and parting from it. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import {
  FingerprintField,
  HandleField,
  InstantField,
  NameField,
  RequestIdField,
} from './schemas.js'
import { adminDefaults, exact } from './trustee-admin-defaults.js'
import { MigrationField, MigrationPlanField } from './trustee-migrations-api.js'

const joinFields = {
  url: Type.String({ pattern: '^https://', maxLength: 512 }),
  /** PEM of the Key HSM's certificate, as the administrator accepted it. */
  serverCertificate: Type.String({ maxLength: 32_768 }),
  /** PEM pair this server shows to Key HSM. Absent: the pair made by `ktadmin init`. */
  clientCertificate: Type.Optional(Type.String({ maxLength: 32_768 })),
  clientKey: Type.Optional(Type.String({ maxLength: 32_768 })),
  passphrase: Type.Optional(Type.String({ maxLength: 1024 })),
  /** Other names for deposits whose names break the rules. */
  names: Type.Optional(
    Type.Array(
      Type.Object(
        {
          /** Its uuid, or its name until now. */
          deposit: Type.String({ minLength: 1, maxLength: 1024 }),
          handle: HandleField,
        },
        exact,
      ),
      { maxItems: 10_000 },
    ),
  ),
}
const maxBodyBytes = 4 * 1024 * 1024

export const planJoinRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/keyhsm/plan',
  maxBodyBytes,
  body: Type.Object(joinFields, exact),
  /** Absent where no deposit has to be moved. */
  reply: Type.Object({ plan: Type.Optional(MigrationPlanField) }),
  deadlineMs: 300_000,
  summary: 'check the whole way to a Key HSM and say what joining it would move',
})

export const joinRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/keyhsm',
  maxBodyBytes,
  body: Type.Object(
    {
      ...joinFields,
      /** Deposits that are stored without an HSM are moved into it; else joining is refused while there are some. */
      migrate: Type.Optional(Type.Boolean()),
      /** With `migrate`: the former forms are kept until it is finished or rolled back by order. */
      keepFormer: Type.Optional(Type.Boolean()),
    },
    exact,
  ),
  reply: Type.Object({
    url: Type.String(),
    realm: NameField,
    canary: FingerprintField,
    domain: Type.String(),
    device: Type.String(),
    profile: Type.String(),
    scope: Type.String(),
    kind: Type.String(),
    hardware: Type.Boolean(),
    durableKeys: Type.Boolean(),
    joinedAt: InstantField,
    /** True when the pair is the server's own HTTPS certificate, as the old product did it. */
    sharesServerCertificate: Type.Boolean(),
    /** Begun with it. */
    migration: Type.Optional(MigrationField),
  }),
  deadlineMs: 300_000,
  summary: 'check the whole way to a Key HSM, then join it',
})

export const leaveRoute = defineRoute({
  ...adminDefaults,
  method: 'POST',
  path: '/v1/admin/keyhsm/leave',
  body: Type.Object({ requestId: RequestIdField }, exact),
  reply: Type.Object({ sealing: Type.String() }),
  deadlineMs: 120_000,
  summary: 'part from Key HSM once no deposit needs it',
})
