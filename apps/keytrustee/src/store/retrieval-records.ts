/** Rows about retrievals that are counted or approved. */
import type { Uuid } from '@keyhsm/core'
import type { Granted } from './identity-records.js'

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
