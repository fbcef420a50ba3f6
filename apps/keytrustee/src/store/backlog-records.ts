/** What waits for somebody, and which quotas are nearly used up: for the operator's view. */

/** Whom to name. */
export interface BacklogLook {
  readonly now: Date
  /** Deposits in use from which on an organisation is named. */
  readonly fullFrom: number
  /** Most organisations that are named. */
  readonly limit: number
}

/** What waits for somebody to act. */
export interface Backlog {
  /** Clients that wait to be approved. */
  readonly waitingClients: number
  /** Requests that trustees may still approve. */
  readonly openRequests: number
  /** Purges whose HSM keys could not be revoked yet. */
  readonly purging: number
  readonly fullest: readonly { readonly name: string; readonly deposits: number }[]
}
