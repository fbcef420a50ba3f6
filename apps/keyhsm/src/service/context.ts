/** The context of a request as the envelope knows it; its schema was checked on the way in. */
import { parseHandle, parseUuid } from '@keyhsm/core'
import type { SealContext } from '@keyhsm/envelope'

export function toContext(body: {
  readonly organisation: string
  readonly deposit: string
  readonly handle: string
  readonly revision: number
}): SealContext {
  return {
    organisation: parseUuid(body.organisation, 'context.organisation'),
    deposit: parseUuid(body.deposit, 'context.deposit'),
    handle: parseHandle(body.handle, 'context.handle'),
    revision: body.revision,
  }
}
