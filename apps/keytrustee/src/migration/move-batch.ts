/** Some revisions at once: intents → new forms → one commit that swaps them in → outcomes. */
import { type DomainError, newUuid, reached, toDomainError, type Uuid } from '@keyhsm/core'
import type { AuditEntry } from '@keyhsm/service'
import { outcomeOf } from '../audited.js'
import { formerGrant, keyOf } from '../deposits/sealed-keys.js'
import { discardMoved } from './discard-moved.js'
import {
  CommitUnknown,
  type MigrationProgress,
  type ToMove,
  type Transaction,
} from '../store/store.js'
import type { Trustee } from '../trustee.js'
import type { MigrationOrder } from './migration-order.js'
import { type Fate, makeForms, ofTheDeposit } from './make-forms.js'
import type { MoveWays } from './move-revision.js'

export interface BatchDesk {
  readonly trustee: Pick<Trustee, 'store' | 'grants' | 'audit' | 'clock' | 'moves'>
  readonly ways: MoveWays
}

/** What moving needs of an order. */
export type MovingOrder = Pick<
  MigrationOrder,
  'uuid' | 'state' | 'to' | 'startedBy' | 'sealedBefore'
>

/** A batch that was committed. */
export interface Moving {
  /** After it. */
  readonly progress: MigrationProgress
  /** What keeps deposits from being moved now; those that it stopped are found again. */
  readonly trouble: DomainError | undefined
}

/**
 * Makes the new forms of a batch at once, and commits what could be moved once `before` has come: the batch before it.
 * @throws what kept the batch from being committed; what `before` throws, or the trouble it had: nothing is committed then
 */
export function moveBatch(
  desk: BatchDesk,
  order: MovingOrder,
  batch: readonly ToMove[],
  before: Promise<Moving>,
): Promise<Moving> {
  const handles = batch.map(({ deposit }) => deposit.handle)
  return desk.trustee.moves.during(handles, () => move(desk, order, batch, before))
}

async function move(
  desk: BatchDesk,
  order: MovingOrder,
  batch: readonly ToMove[],
  before: Promise<Moving>,
): Promise<Moving> {
  const requestId = newUuid()
  const intents = batch.map((one) => ({ ...one, event: 'intent' }) as const)
  await appendAll(desk, order, requestId, intents)
  reached('migrate:intent-audited')
  const fates = await makeForms(desk, order, requestId, batch)
  reached('migrate:resealed')
  const progress = await commitAfter(desk, order, fates, before).catch(async (error: unknown) => {
    const unknown = error instanceof CommitUnknown
    // After an unknown commit the rows may need these keys: they are left to prune.
    if (!unknown)
      await discardMoved(
        desk.ways,
        requestId,
        fates.flatMap(({ moved }) => moved ?? []),
      )
    const failed = batch.map((one) => ({ ...one, error: toDomainError(error) }))
    await appendOutcomes(desk, order, requestId, failed).catch(() => undefined)
    throw error
  })
  reached('migrate:swapped')
  const overtaken = fates.flatMap(({ moved, swapped }) => (moved && !swapped ? [moved] : []))
  await discardMoved(desk.ways, requestId, overtaken)
  await appendOutcomes(desk, order, requestId, fates)
  reached('migrate:outcome-audited')
  return { progress, trouble: troubleOf(fates) }
}

async function commitAfter(
  desk: BatchDesk,
  order: MovingOrder,
  fates: readonly Fate[],
  before: Promise<Moving>,
): Promise<MigrationProgress> {
  const { progress, trouble } = await before
  // Its cursor stays where it was: what comes after it is looked at again.
  if (trouble) throw trouble
  return commit(desk, order, fates, progress)
}

function troubleOf(fates: readonly Fate[]): DomainError | undefined {
  return fates.find(({ error }) => error && !ofTheDeposit.has(error.code))?.error
}

function commit(
  { trustee: { store, clock, grants } }: BatchDesk,
  order: Pick<MovingOrder, 'uuid' | 'state'>,
  fates: readonly Fate[],
  progress: MigrationProgress,
): Promise<MigrationProgress> {
  const sealedAt = clock.now()
  // A rollback that is cut off begins anew with swapping back: never what it moved itself.
  const swappable = order.state !== 'rolling-back'
  return store.withTransaction(async (transaction) => {
    await Promise.all(
      fates.map(async (fate) => {
        if (fate.moved) {
          const { newKey: _, ...form } = fate.moved
          const { revision } = fate
          // The key that the sealed bytes name, under which they were just opened, and not the column beside them.
          const held = { ...keyOf(revision), uuid: revision.uuid, canary: revision.canary }
          const exchange = {
            swappable,
            before: formerGrant(grants, held),
            next: formerGrant(grants, { ...form, uuid: revision.uuid }),
          }
          fate.swapped = await transaction.swapForm(revision, { ...form, sealedAt }, exchange)
        } else if (fate.error && ofTheDeposit.has(fate.error.code))
          await saveFault(transaction, order.uuid, fate, fate.error.code)
      }),
    )
    const after = progressAfter(progress, fates, sealedAt)
    await transaction.saveMigration(after)
    return after
  })
}

function progressAfter(
  progress: MigrationProgress,
  fates: readonly Fate[],
  updatedAt: Date,
): MigrationProgress {
  const swapped = fates.filter((fate) => fate.swapped).length
  const tried = fates.filter(({ moved }) => moved).length
  const waits = troubleOf(fates) !== undefined
  const last = fates.at(-1)?.revision
  const cursor = last && { deposit: last.deposit, revision: last.revision }
  return {
    ...progress,
    updatedAt,
    moved: progress.moved + swapped,
    overtaken: progress.overtaken + tried - swapped,
    note: undefined,
    // A batch that was stopped in its midst is looked at again from its begin.
    cursor: waits ? progress.cursor : (cursor ?? progress.cursor),
  }
}

function saveFault(
  transaction: Transaction,
  migration: Uuid,
  { deposit, revision }: ToMove,
  code: string,
): Promise<void> {
  const { uuid: revisionUuid, revision: number } = revision
  const of = { deposit: deposit.uuid, handle: deposit.handle, revision: number }
  return transaction.saveMigrationFault({ migration, revisionUuid, ...of, code })
}

function appendOutcomes(
  desk: BatchDesk,
  order: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
  requestId: Uuid,
  fates: readonly Fate[],
): Promise<void> {
  const entries = fates.map((fate) => ({ ...fate, event: 'outcome' as const, ...verdictOf(fate) }))
  return appendAll(desk, order, requestId, entries)
}

function verdictOf({ moved, error, swapped }: Fate): Pick<AuditEntry, 'outcome' | 'reason'> {
  if (error) return { outcome: outcomeOf(error), reason: error.code }
  if (moved && !swapped) return { outcome: 'refused', reason: 'changed meanwhile' }
  return { outcome: 'done' }
}

async function appendAll(
  { trustee: { audit } }: BatchDesk,
  { uuid: migration, startedBy: actor }: Pick<MigrationOrder, 'uuid' | 'startedBy'>,
  requestId: Uuid,
  entries: readonly (ToMove & Pick<AuditEntry, 'event' | 'outcome' | 'reason'>)[],
): Promise<void> {
  await Promise.all(
    entries.map(({ deposit, revision, event, outcome, reason }) => {
      const { organisation, uuid, handle } = deposit
      const of = { organisation, deposit: uuid, handle, revision: revision.revision }
      return audit.append({
        event,
        operation: 'migrate',
        requestId,
        actor,
        subject: { migration, ...of },
        ...(outcome === undefined ? {} : { outcome }),
        ...(reason === undefined ? {} : { reason }),
      })
    }),
  )
}
