/** Who must approve retrievals of a deposit: chosen when it is put, sealed into its header, kept with its policy. */
import { createPublicKey } from 'node:crypto'
import type { Uuid } from '@keyhsm/core'

export interface Trustees {
  /** m of the n below. */
  readonly required: number
  /** In the order of their keys' bytes. */
  readonly trustees: readonly Trusteeship[]
}

export interface Trusteeship {
  readonly client: Uuid
  /** Identity key when the deposit was sealed: raw Ed25519, base64. */
  readonly key: string
}

/** Raw bytes of an Ed25519 SPKI in base64. @throws for anything else */
export function rawIdentityKey(spki: string): Buffer {
  const key = createPublicKey({ key: Buffer.from(spki, 'base64'), format: 'der', type: 'spki' })
  return Buffer.from(String(key.export({ format: 'jwk' }).x), 'base64url')
}
