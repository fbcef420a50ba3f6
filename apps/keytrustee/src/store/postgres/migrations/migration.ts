/** One numbered step of the schema. Runs with `search_path = keytrustee`, in a transaction of its own. */
export interface Migration {
  /** Counted from 1, without gaps. */
  readonly version: number
  readonly name: string
  readonly sql: string
}
