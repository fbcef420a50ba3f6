/** Passes over what is to be moved, batch by batch, until one from the beginning finds nothing left. */
import { reached } from '@keyhsm/core'
import type { MigrationProgress, Selection } from '../store/store.js'
import type { Trustee } from '../trustee.js'
import { moveBatch, type MovingOrder } from './move-batch.js'
import type { MoveWays } from './move-revision.js'

export interface MovingDesk {
  readonly trustee: Trustee
  readonly ways: MoveWays
  /** Ends the work after the batch under way. */
  readonly signal: AbortSignal
  progress(): MigrationProgress
  onProgress(progress: MigrationProgress): void
}

/** Bounds the memory of a batch, with the content of one deposit above. */
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

/** @returns how many it met; undefined when it was stopped */
async function pass(
  desk: MovingDesk,
  order: MovingOrder,
  selection: Selection,
): Promise<number | undefined> {
  let found = 0
  for (;;) {
    if (desk.signal.aborted) return undefined
    const { cursor: after } = desk.progress()
    const batch = await desk.trustee.store.listToMove(selection, {
      ...(after === undefined ? {} : { after }),
      limit: batchRevisions,
      maxBytes: batchBytes,
    })
    if (batch.length === 0) return found
    reached('migrate:ordered')
    desk.onProgress(await moveBatch(desk, order, batch, desk.progress()))
    found += batch.length
  }
}
