/** Reading settings anew, the same order to every service: over its management port or control socket. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import { NoFields } from './schemas.js'

export const reloadRoute = defineRoute({
  method: 'POST',
  path: '/v1/reload',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  reply: Type.Object({
    /** What took effect, one line each. */
    applied: Type.Array(Type.String()),
    /** Settings that changed in the file and need a restart. */
    needsRestart: Type.Array(Type.String()),
  }),
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 30_000,
  summary: 'take over changed settings and trusted certificates; on failure the old ones stay',
})

/** Over a control socket, which only the service's own user and root reach: they may send it a signal as well. */
export const localReloadRoute: typeof reloadRoute = { ...reloadRoute, access: 'anyone' }
