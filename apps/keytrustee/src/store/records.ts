/** The rows of the store, as everybody above it knows them. */
import type { Fingerprint, Handle, HsmKeyId, Uuid } from '@keyhsm/core'
import type { Policy } from '../policies/policy.js'

/**
 * Rows that grant something carry `grant`: HMAC-SHA-256 (hex) over their granting columns under a key outside the
 * database (see `grants.ts`). The store keeps it as it is; whoever reads the row verifies it before believing it.
 */
export interface Granted {
  readonly grant: string
}

export interface Organisation extends Granted {
  readonly uuid: Uuid
  readonly name: string
  readonly state: 'active' | 'suspended'
  /** scrypt hash with its parameters; undefined: enrolment only by approval. */
  readonly authHash: string | undefined
  readonly contacts: readonly string[]
  readonly createdAt: Date
}

export interface Client extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly name: string
  readonly state: 'waiting' | 'active' | 'disabled'
  /** SHA-256 of the SubjectPublicKeyInfo of its TLS key. */
  readonly keyFingerprint: Fingerprint
  /** Ed25519 SPKI, base64. */
  readonly identityKey: string
  /** age recipient. */
  readonly recipient: string
  /** Ed25519 signature of the recipient by the identity key, base64; clients that enrolled long ago have none. */
  readonly recipientSignature?: string | undefined
  readonly createdAt: Date
}

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

/** Clients of one organisation under one name. */
export interface Group extends Granted {
  readonly uuid: Uuid
  readonly organisation: Uuid
  readonly name: string
  /** Clients, in the order of their uuids. */
  readonly members: readonly Uuid[]
  readonly createdAt: Date
}

/** A client asks for a deposit that has trustees. */
export interface RetrievalRequest extends Granted {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly organisation: Uuid
  readonly client: Uuid
  /** Its identity key: raw Ed25519, base64. */
  readonly clientKey: string
  /** Base64; undefined until it has signed. */
  readonly clientSignature: string | undefined
  readonly state: 'open' | 'withdrawn' | 'used'
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** What one trustee said to a request; an approval is worth what its signature is. */
export interface Verdict {
  readonly request: Uuid
  readonly trustee: Uuid
  readonly verdict: 'approve' | 'deny'
  /** Base64; with `approve` only. */
  readonly signature: string | undefined
  readonly decidedAt: Date
}

/** How often a deposit was retrieved since its policy limits that. */
export interface RetrievalCount extends Granted {
  readonly deposit: Uuid
  readonly used: number
}

export interface Revision {
  readonly uuid: Uuid
  readonly deposit: Uuid
  readonly revision: number
  readonly sealing: 'hsm' | 'pass-through'
  /** Sealed bytes (hsm) or the client's bytes (pass-through). */
  readonly stored: Buffer
  readonly contentBytes: number
  readonly hsmKeyId: HsmKeyId | undefined
  readonly hsmKeyLabel: string | undefined
  readonly scope: 'deposit' | 'organisation' | 'service' | undefined
  readonly kind: string | undefined
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

export interface Usage {
  /** Active deposits and pending puts that will make a new one. */
  readonly deposits: number
  /** HSM keys made, or about to be, within the window. */
  readonly hsmKeys: number
}

/** One revision that needs an HSM key. */
export interface HsmKeyUse {
  readonly deposit: Uuid
  readonly handle: Handle
  readonly revision: number
}
