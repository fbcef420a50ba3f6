/** What quotas count, and what a put is planned with. */
import type { Handle, Uuid } from '@keyhsm/core'
import type { Deposit, RequestResult } from './records.js'

/** How many deposits there may be, pending puts that will make a new one included. */
export interface DepositLimits {
  readonly client: number
  readonly organisation: number
}

export interface Usage {
  /** Active deposits and pending puts that will make a new one. */
  readonly deposits: number
  /** HSM keys made, or about to be, within the window. */
  readonly hsmKeys: number
}

export type UsageSubject = { readonly client: Uuid } | { readonly organisation: Uuid }

export interface PutQuestion {
  readonly requestId: Uuid
  readonly client: Uuid
  readonly organisation: Uuid
  readonly handles: readonly Handle[]
  /** Opens the window for HSM keys. */
  readonly since: Date
}

export interface PutFacts {
  /** The answer this request was given before. */
  readonly answer: RequestResult | undefined
  /** Without an answer: those of the client under these handles that are not purged. */
  readonly deposits: readonly Deposit[]
  readonly client: Usage
  readonly organisation: Usage
}
