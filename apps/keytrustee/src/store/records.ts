/** The rows of the store, as everybody above it knows them. */
import type { Fingerprint, Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { Policy } from '../policies/policy.js'
import type { Granted } from './identity-records.js'

export interface Deposit extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly owner: Uuid
  readonly handle: Handle
  /** `purging`: no longer opened, its HSM keys are being revoked; `purged`: they are, and the bytes are gone. */
  readonly state: 'active' | 'disabled' | 'purging' | 'purged'
  /** Newest revision. */
  readonly revision: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly undeleteUntil: Date | undefined
  readonly policy?: Policy | undefined
}

/** How the bytes of a revision are kept: all that a migration exchanges. */
export interface StoredForm {
  readonly sealing: 'hsm' | 'pass-through'
  /** Sealed bytes (hsm) or the client's bytes (pass-through). */
  readonly stored: Buffer
  readonly hsmKeyId: HsmKeyId | undefined
  readonly hsmKeyLabel: string | undefined
  readonly scope: 'deposit' | 'organisation' | 'service' | undefined
  readonly kind: string | undefined
  /** Names the HSM partition that holds the key; undefined: the joined one. */
  readonly canary: Fingerprint | undefined
  /** When the bytes got this form. */
  readonly sealedAt: Date
}

export interface Revision extends StoredForm {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly contentBytes: number
  readonly createdAt: Date
}

export type RevisionMeta = Omit<Revision, 'stored'>

/** That a deposit was ordered to be unreadable for ever. Kept for ever; it grants nothing. */
export interface Revocation {
  readonly deposit: Uuid
  readonly organisation: Uuid
  readonly handle: Handle
  /** HSM keys of this deposit alone, over all its revisions. */
  readonly hsmKeyIds: readonly HsmKeyId[]
  /** Revisions whose HSM key serves other deposits too, or that have none: copies in older backups still open. */
  readonly sharedRevisions: number
  readonly orderedBy: string
  readonly orderedAt: Date
  /** When the keys were revoked and the bytes dropped. */
  readonly doneAt: Date | undefined
}

/** A put between its reservation and its commit; counted by quotas and by prune. */
export interface PendingPut {
  readonly requestId: Uuid
  readonly client: Uuid
  readonly organisation: Uuid
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
  readonly contentBytes: number
  readonly startedAt: Date
}

/** The answer given to a request id: a repeated request gets it again and has no second effect. */
export interface RequestResult {
  readonly requestId: Uuid
  readonly client: Uuid
  /** SHA-256 over operation and arguments: the same id with another request is ERR_CONFLICT. */
  readonly requestHash: Fingerprint
  /** JSON of the reply. */
  readonly reply: string
  readonly createdAt: Date
}

/** How this server is joined to a Key HSM. One row, or none before `ktadmin keyhsm`. */
export interface Join {
  readonly url: string
  readonly realm: string
  readonly canary: Fingerprint
  readonly domain: string
  readonly joinedAt: Date
}

export interface DepositPage {
  readonly deposits: readonly (Deposit & { readonly latest: RevisionMeta })[]
  readonly next: Handle | undefined
}

/** One revision that needs an HSM key. */
export interface HsmKeyUse {
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
}
