/** Passes over what is to be moved, batch by batch, until one from the beginning finds nothing left. */
import { reached } from '@keyhsm/core'
import type { Cursor, MigrationProgress, Selection, ToMove } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { moveBatch, type Moving, type MovingOrder } from './move-batch.js'
import type { MoveWays } from './move-revision.js'

export interface MovingDesk {
  readonly trustee: Trustee
  readonly ways: MoveWays
  /** Ends the work after the batches under way. */
  readonly signal: AbortSignal
  progress(): MigrationProgress
  onProgress(progress: MigrationProgress): void
}

/** Bounds the memory of a batch, with the content of one deposit above; two are under way at once. */
const batchRevisions = 128
const batchBytes = 8 * 1024 * 1024

/** @returns false when it was stopped before the end. @throws what keeps deposits from being moved now */
export async function moveAll(
  desk: MovingDesk,
  order: MovingOrder,
  selection: Selection,
): Promise<boolean> {
  for (;;) {
    const fromStart = desk.progress().cursor === undefined
    // What was begun before the migration is committed in the old form: the pass after it finds it.
    if (fromStart) await desk.trustee.queue.settled()
    const found = await pass(desk, order, selection)
    if (found === undefined) return false
    if (fromStart && found === 0) return true
    desk.onProgress({ ...desk.progress(), cursor: undefined })
  }
}

/**
 * The forms of one batch are made while the one before is committed.
 * @returns how many it met; undefined when it was stopped
 */
async function pass(
  desk: MovingDesk,
  order: MovingOrder,
  selection: Selection,
): Promise<number | undefined> {
  let found = 0
  let after = desk.progress().cursor
  let last = Promise.resolve<Moving>({ progress: desk.progress(), trouble: undefined })
  for (;;) {
    const stopped = desk.signal.aborted
    const before = last
    const next = stopped ? Promise.resolve([]) : nextBatch(desk, selection, after)
    const batch = await next.catch(async (error: unknown) => {
      await settle(desk, before)
      throw error
    })
    if (batch.length > 0) {
      reached('migrate:ordered')
      last = moveBatch(desk, order, batch, before)
      // Waited for below, but not before `before` has come.
      last.catch(() => undefined)
    }
    await settle(desk, before).catch(async (error: unknown) => {
      await last.catch(() => undefined)
      throw error
    })
    if (batch.length === 0) return stopped ? undefined : found
    found += batch.length
    after = batch.map(({ revision: { deposit, revision } }) => ({ deposit, revision })).at(-1)
  }
}

function nextBatch(
  { trustee: { store } }: MovingDesk,
  selection: Selection,
  after: Cursor | undefined,
): Promise<readonly ToMove[]> {
  const from = after === undefined ? {} : { after }
  return store.listToMove(selection, { ...from, limit: batchRevisions, maxBytes: batchBytes })
}

/** Notes how far a batch has come. @throws what it throws, and its trouble */
async function settle(desk: MovingDesk, moving: Promise<Moving>): Promise<void> {
  const { progress, trouble } = await moving
  desk.onProgress(progress)
  if (trouble) throw trouble
}
