/**
 * Deposits of which a new form is being made. Its HSM key may be there before any row names it: pruning must not take it.
 * Moves of a process that ended are none: whatever they made is never stored.
 */
import type { Handle } from '@keyhsm/core'

export class MovesUnderWay {
  readonly #batches = new Set<readonly Handle[]>()

  /** Holds the handles until `work` has stored the new forms, or discarded their keys. */
  async during<Result>(handles: readonly Handle[], work: () => Promise<Result>): Promise<Result> {
    this.#batches.add(handles)
    try {
      return await work()
    } finally {
      this.#batches.delete(handles)
    }
  }

  handles(): readonly Handle[] {
    return [...this.#batches].flat()
  }
}
