/** Another level of the log for a time, the same order to every service: over its management port or control socket. */
import Type from 'typebox'
import { defineRoute } from './route.js'
import { InstantField, NoFields } from './schemas.js'

/** What an order may ask for; `configured` takes an earlier order back. */
export const loggedLevels = ['debug', 'info', 'warn', 'error', 'configured'] as const
export type LoggedLevel = (typeof loggedLevels)[number]

/** A debugging level that is forgotten fills disks: no order holds longer. */
export const maxLogLevelMs = 86_400_000

/** The level in use, and until when where an order gave it. */
export const LogLevelField = Type.Object({
  level: Type.String(),
  until: Type.Optional(InstantField),
})

export const logLevelRoute = defineRoute({
  method: 'POST',
  path: '/v1/log-level',
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: Type.Object(
    {
      level: Type.Enum([...loggedLevels]),
      forMs: Type.Integer({ minimum: 1000, maximum: maxLogLevelMs }),
    },
    { additionalProperties: false },
  ),
  reply: LogLevelField,
  success: 200,
  maxBodyBytes: 4096,
  deadlineMs: 5000,
  summary: 'log at another level for a time, or as configured again',
})
