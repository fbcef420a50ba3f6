/** Rows about the forms that revisions had before a migration moved them. */
import type { Fingerprint, HsmKeyId, Uuid } from '@keyhsm/core'
import type { StoredForm } from './records.js'

/** MACs of the two forms that are exchanged. @see FormerRevision.grant */
export interface FormGrants {
  readonly before: string
  readonly next: string
}

/** What is written down when a form takes the place of another. */
export interface FormExchange extends FormGrants {
  /** Whether a rollback makes the former form the present one again: not where a rollback itself made the new one. */
  readonly swappable: boolean
}

/** Former forms: of one deposit; those not yet swapped back that can be, or any, in the order of their uuids. */
export type FormerFilter =
  | { readonly deposit: Uuid }
  | { readonly swappable: boolean; readonly after?: Uuid; readonly limit: number }

/** What is left of a revision's former form, without its bytes. */
export interface FormerRevision {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly hsmKeyId: HsmKeyId | undefined
  readonly hsmKeyLabel: string | undefined
  readonly scope: StoredForm['scope']
  readonly canary: Fingerprint | undefined
  /** A MAC over uuid, key, scope and canary: whose key the row may have revoked. */
  readonly grant: string
  /** True when a rollback exchanged it with the present form, or made that one itself. */
  readonly swappedBack: boolean
}
