/**
 * One numbered step of the schema. Runs with `search_path = keytrustee`, in a transaction of its own. It may not disturb the
 * release before, which goes on beside it until its node is upgraded: docs/decisions/0111-schema-and-releases.md.
 */
export interface Migration {
  /** Counted from 1, without gaps. */
  readonly version: number
  readonly name: string
  /** For an operator, before it runs. */
  readonly changes: string
  /** Tables that were there before and are locked until it commits; a test compares them with what PostgreSQL locks. */
  readonly locks: readonly TableLock[]
  readonly sql: string
}

export interface TableLock {
  readonly table: string
  /** What has to wait: `all`, or only `writes`. */
  readonly stops: 'all' | 'writes'
  /** How long, roughly: none of its rows, each of them read, or each of them written again. */
  readonly work: 'catalogue' | 'scan' | 'rewrite'
}
