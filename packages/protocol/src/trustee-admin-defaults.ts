/** What the administration routes of the Trustee Server have in common. */
import { NoFields } from './schemas.js'

const maxAdminBody = 256 * 1024
/** Refuses fields that a schema does not name. */
export const exact = { additionalProperties: false } as const

/** Body-less administrator GET, the shape most of the routes below share. */
export const adminDefaults = {
  access: 'administrator',
  params: NoFields,
  query: NoFields,
  body: NoFields,
  success: 200,
  maxBodyBytes: maxAdminBody,
  deadlineMs: 30_000,
} as const
