/** A change that an operator makes by a command, between its two entries in the audit of moves: the service's own may be in use. */
import { newUuid, toDomainError } from '@keyhsm/core'
import type { Paths } from '../paths.js'
import type { KeyStore } from '../zone-keys/key-store.js'
import { withMoves } from './with-moves.js'

export interface OperatorChange {
  /** As the service calls it: `PURGE_KEY`, `UNDELETE_KEY`. */
  readonly op: string
  readonly key: string
  readonly operator: string
}

/**
 * @param tell what the second entry says beside.
 * @throws ERR_AUDIT_UNAVAILABLE: then nothing was changed, unless it was the second entry; what `change` throws.
 */
export function auditedChange<Result>(
  paths: Paths,
  { op, key, operator }: OperatorChange,
  change: (store: KeyStore) => Promise<Result>,
  tell: (result: Result) => string = () => '',
): Promise<Result> {
  return withMoves(paths, operator, async ({ store, trail, caller }) => {
    const access = { op, key, caller, peerAddress: 'local', requestId: newUuid() }
    await trail.intend(access)
    const result = await change(store).catch(async (error: unknown) => {
      const { message } = toDomainError(error)
      // The failure is what the operator must hear of.
      await trail.record({ ...access, status: 'ERROR', message }).catch(() => undefined)
      throw error
    })
    await trail.record({ ...access, status: 'OK', message: tell(result) })
    return result
  })
}
