/** The two ends of a migration: former forms are dropped for ever, or made the present ones again. */
import { newUuid, reached, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import type { FormerRevision } from '../store/store.js'
import type { MigrationOrder } from './migration-order.js'
import type { MovingDesk } from './move-all.js'
import { revokeFormer } from './revoke-former.js'

const batchSize = 200
const concurrentRevokes = 8

/**
 * Revokes the HSM keys of all former forms that served one deposit alone, and forgets those forms.
 * @returns false when it was stopped before the end. @throws what keeps keys from being revoked now
 */
export async function dropFormer(
  desk: MovingDesk,
  order: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
): Promise<boolean> {
  for (;;) {
    if (desk.signal.aborted) return false
    const former = await desk.trustee.store.listFormer({ swappable: false, limit: batchSize })
    if (former.length === 0) return true
    const requestId = newUuid()
    const subjects = former.map(({ deposit, revision, hsmKeyId = '' }) => {
      return { migration: order.uuid, deposit, revision, hsmKeyId }
    })
    const operation = { operation: 'migrate-drop', requestId, actor: order.startedBy, subjects }
    await audited(desk.trustee.audit, operation, 'revoked', async () => {
      await revokeAll(desk, requestId, former)
      reached('migrate:revoked')
      const uuids = former.map(({ uuid }) => uuid)
      await desk.trustee.store.withTransaction((transaction) => transaction.deleteFormer(uuids))
    })
    reached('migrate:dropped')
  }
}

/** @returns false when it was stopped before the end */
export async function swapAllBack({ trustee: { store }, signal }: MovingDesk): Promise<boolean> {
  let after: Uuid | undefined
  for (;;) {
    if (signal.aborted) return false
    const from = after === undefined ? {} : { after }
    const former = await store.listFormer({ swappable: true, ...from, limit: batchSize })
    if (former.length === 0 && after === undefined) return true
    // At the end it looks once more from the beginning.
    after = former.at(-1)?.uuid
    await store.withTransaction((transaction) =>
      Promise.all(former.map(({ uuid }) => transaction.swapBack(uuid))),
    )
    reached('migrate:swapped-back')
  }
}

async function revokeAll(
  desk: MovingDesk,
  requestId: Uuid,
  former: readonly FormerRevision[],
): Promise<void> {
  const waiting = [...former]
  const worker = async (): Promise<void> => {
    for (let row = waiting.shift(); row; row = waiting.shift())
      await revokeFormer(desk, requestId, row)
  }
  const results = await Promise.allSettled(Array.from({ length: concurrentRevokes }, worker))
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
