/** Rows of those who use the server. */
import type { Fingerprint, Uuid } from '@keyhsm/core'

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
  /** scrypt hash with its parameters; undefined: no secret. */
  readonly authHash: string | undefined
  /** Clients are active at once, without a secret and without approval. */
  readonly open?: boolean | undefined
  /** Automatic enrolment, by secret or open, ends here; undefined: never. */
  readonly authExpiresAt?: Date | undefined
  /** Automatic enrolments that are left; undefined: any number. */
  readonly authUsesLeft?: number | undefined
  /** age recipient that clients shall seal for besides; its secret half is offline, with people. */
  readonly recovery?: string | undefined
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
  /** With this one-time code, until then, it may come with new keys. */
  readonly reenrolment?: Reenrolment | undefined
  readonly createdAt: Date
}

export interface Reenrolment {
  /** scrypt hash of the code. */
  readonly hash: string
  readonly until: Date
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

/** Rows as they were found: whoever uses them verifies their grants. */
export interface CallerRows {
  readonly client: Client
  readonly organisation: Organisation
}
