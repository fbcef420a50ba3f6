import type { Uuid } from '@keyhsm/core'
import type { Moved, MoveWays } from './move-revision.js'

/** Revokes the HSM keys of new forms that were certainly not stored. What cannot be revoked now is left to prune. */
export async function discardMoved(
  { hsm }: Pick<MoveWays, 'hsm'>,
  requestId: Uuid,
  forms: readonly Moved[],
): Promise<void> {
  const keys = forms.flatMap(({ newKey, hsmKeyId: id, canary }) =>
    newKey && id !== undefined ? [{ id, canary }] : [],
  )
  await Promise.allSettled(keys.map((key) => hsm.revoke(requestId, key, 'discard')))
}
