/** Where new deposits go, as every server of an installation reads it. */
import { DomainError } from '@keyhsm/core'

export interface DirectionRow {
  /** Milliseconds since 1970, and more than any before: servers follow upwards only. */
  readonly directed: number
  /** JSON, which only the servers read. */
  readonly direction: string
  /** Over both, under the key of the grants: the database alone directs nothing. */
  readonly mac: string
}

/** A put was sealed as deposits are no longer kept; nothing was stored. */
export class DirectionChanged extends DomainError {
  constructor() {
    super('ERR_BUSY', 'new deposits are kept in another way since a moment ago', {
      retryAfterMs: 1_000,
    })
  }
}
