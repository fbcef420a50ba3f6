import type { HsmKeyId } from '@keyhsm/core'
import type { CallOptions, Hsm, HsmKey } from './hsm.js'

/** What some backends can do besides. */
export interface RenamingHsm {
  /**
   * Gives a key that was made `renamable` another label, on all its objects; durable when it returns as far as keys are.
   * @throws ERR_NOT_FOUND as wrapKey; ERR_HSM_REFUSED for a key that is not renamable. After ERR_HSM_UNAVAILABLE either label may
   * hold.
   */
  renameKey(id: HsmKeyId, label: string, options?: CallOptions): Promise<HsmKey>
}

/** Whether the backend can rename keys. */
export function canRename(hsm: Hsm): hsm is Hsm & RenamingHsm {
  return hsm.capabilities.renames === true
}
