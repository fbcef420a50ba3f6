/** The two ends of a migration: former forms are dropped for ever, or made the present ones again. */
import { type DomainError, newUuid, reached, toDomainError, type Uuid } from '@keyhsm/core'
import { audited } from '../audited.js'
import { formerKey } from '../deposits/sealed-keys.js'
import type { FormerRevision, Reader } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { MigrationOrder } from './migration-order.js'
import type { MovingDesk } from './move-all.js'
import { type FormerDesk, revokeFormer } from './revoke-former.js'

const batchSize = 200
const concurrentRevokes = 8

/** What dropping former forms needs. */
export interface DropDesk extends FormerDesk, Pick<MovingDesk, 'signal'> {
  readonly trustee: FormerDesk['trustee'] & Pick<Trustee, 'audit'>
}

/**
 * How far former forms were dropped. It outlasts what keeps keys from being revoked for now: the next try goes on where the last
 * one stopped, and not with the rows that were refused.
 */
export class DropProgress {
  /** Listed, and neither dropped nor refused. */
  waiting: readonly FormerRevision[] = []
  /** The last that was listed. */
  after: Uuid | undefined
  /** The first one, until it is told. */
  refusal: DomainError | undefined
  dropped = 0
}

/**
 * Revokes the HSM keys of all former forms that served one deposit alone, and forgets those forms. One that is refused keeps no
 * other from that; it is told when all were tried, or none of a page could be dropped: then all may be refused.
 * @returns false when it was stopped before the end. @throws what keeps keys from being revoked now
 */
export async function dropFormer(
  desk: DropDesk,
  order: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
  progress: DropProgress,
): Promise<boolean> {
  for (;;) {
    if (desk.signal.aborted) return false
    if (progress.waiting.length === 0)
      progress.waiting = await nextPage(desk.trustee.store, progress)
    if (progress.waiting.length === 0) return true
    await dropWaiting(desk, order, progress)
  }
}

/** @returns none when there is none at all. @throws at the end what was refused */
async function nextPage(
  store: Pick<Reader, 'listFormer'>,
  progress: DropProgress,
): Promise<readonly FormerRevision[]> {
  const { after } = progress
  const from = after === undefined ? {} : { after }
  const page = await store.listFormer({ swappable: false, ...from, limit: batchSize })
  progress.after = page.at(-1)?.uuid
  if (page.length > 0 || after === undefined) return page
  tellRefusal(progress)
  // Again from the beginning: a commit that failed left rows there whose keys are gone.
  return nextPage(store, progress)
}

async function dropWaiting(
  desk: DropDesk,
  order: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
  progress: DropProgress,
): Promise<void> {
  const { revoked, refused, trouble } = await revokeAll(desk, order, progress.waiting)
  const settled = new Set([...revoked, ...refused.keys()])
  progress.waiting = progress.waiting.filter(({ uuid }) => !settled.has(uuid))
  progress.refusal ??= refused.values().next().value
  if (revoked.length > 0) {
    reached('migrate:revoked')
    await desk.trustee.store.withTransaction((transaction) => transaction.deleteFormer(revoked))
    progress.dropped += revoked.length
    reached('migrate:dropped')
  }
  if (trouble) throw trouble
  if (revoked.length === 0) tellRefusal(progress)
}

function tellRefusal(progress: DropProgress): void {
  const { refusal } = progress
  progress.refusal = undefined
  if (refusal) throw refusal
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

interface Revoked {
  readonly revoked: readonly Uuid[]
  readonly refused: ReadonlyMap<Uuid, DomainError>
  /** What keeps the others from being revoked now. */
  readonly trouble: DomainError | undefined
}

/**
 * Each key is revoked and audited by itself; forms without one of their own are let go together. After the first fault that is
 * none of a row no more are tried: above a rate each call would raise an alarm.
 */
async function revokeAll(
  desk: DropDesk,
  { uuid: migration, startedBy: actor }: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
  former: readonly FormerRevision[],
): Promise<Revoked> {
  const requestId = newUuid()
  const hasKey = (row: FormerRevision) => formerKey(desk.trustee.grants, row) !== undefined
  const keyless = former.filter((row) => !hasKey(row))
  const waiting = former.filter(hasKey).map((row) => [row])
  if (keyless.length > 0) waiting.unshift(keyless)
  const revoked: Uuid[] = []
  const refused = new Map<Uuid, DomainError>()
  let trouble: DomainError | undefined
  const revoke = async (rows: readonly FormerRevision[]): Promise<void> => {
    const subjects = rows.map(({ deposit, revision, hsmKeyId = '' }) => {
      return { migration, deposit, revision, hsmKeyId }
    })
    const operation = { operation: 'migrate-drop', requestId, actor, subjects }
    try {
      await audited(desk.trustee.audit, operation, 'revoked', () =>
        Promise.all(rows.map((row) => revokeFormer(desk, requestId, row))),
      )
      revoked.push(...rows.map(({ uuid }) => uuid))
    } catch (thrown) {
      const error = toDomainError(thrown)
      if (error.code === 'ERR_NOT_ALLOWED') for (const { uuid } of rows) refused.set(uuid, error)
      else {
        trouble ??= error
        waiting.length = 0
      }
    }
  }
  const worker = async (): Promise<void> => {
    for (let rows = waiting.shift(); rows; rows = waiting.shift()) await revoke(rows)
  }
  await Promise.all(Array.from({ length: concurrentRevokes }, worker))
  return { revoked, refused, trouble }
}
