/**
 * What commands ask the running KMS over its control socket. Anyone who reaches it may: it stands in a directory that only
 * the service's own user can enter.
 */
import { defineRoute, LogLevelField, logLevelRoute, NoFields } from '@keyhsm/protocol'
import Type from 'typebox'

export const kmsStatusRoute = defineRoute({
  method: 'GET',
  path: '/v1/status',
  access: 'anyone',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    version: Type.String(),
    pid: Type.Integer(),
    address: Type.String(),
    startedAt: Type.String(),
    authentication: Type.String(),
    trusteeServer: Type.String(),
    healthy: Type.Boolean(),
    trustee: Type.String(),
    audit: Type.String(),
    openedKeys: Type.Integer(),
    /** What ends or fills up, with the command that cures it. */
    warnings: Type.Array(Type.String()),
    log: LogLevelField,
    remarks: Type.Array(Type.String()),
  }),
  success: 200,
  maxBodyBytes: 0,
  deadlineMs: 20_000,
  summary: 'how the KMS and what it needs are doing',
})

export const kmsLogLevelRoute: typeof logLevelRoute = { ...logLevelRoute, access: 'anyone' }
