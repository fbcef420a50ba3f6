import type { Fingerprint } from '@keyhsm/core'
import type { Hsm } from './hsm.js'

/** A backend that takes other trusted certificates without being connected anew. */
export interface ChangesTrust {
  /**
   * The certificates that the device may show from now on. Requests under way finish; connections that were made under the
   * ones before are not used again. @returns whether anything changed
   */
  changeTrust(pinned: readonly Fingerprint[]): boolean
}

/** Whether `hsm` can. */
export function canChangeTrust(hsm: Hsm): hsm is Hsm & ChangesTrust {
  return 'changeTrust' in hsm
}
