import type { SecretBytes } from '@keyhsm/core'
import type { Hsm } from './hsm.js'

/** A backend that takes a new password without being connected anew. */
export interface ChangesPin {
  /**
   * The password of every login from now on; copied. Ends a latched refusal, so it is for a person's order alone. Logins that
   * hold stay. @returns whether anything changed
   */
  changePin(pin: SecretBytes): boolean
}

/** Whether `hsm` can. */
export function canChangePin(hsm: Hsm): hsm is Hsm & ChangesPin {
  return 'changePin' in hsm
}
