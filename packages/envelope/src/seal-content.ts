/** Steps 4 and 5 of a seal: encrypt the content under its fresh key. Pure: the HSM has wrapped the key before. */
import { createCipheriv, randomBytes } from 'node:crypto'
import type { SecretBytes } from '@keyhsm/core'
import { ByteWriter } from './byte-writer.js'
import { deriveContentCipherKey } from './content-key.js'
import { formatContext, type SealContext } from './context.js'
import { formatHeader, nonceBytes, type SealedHeader } from './header.js'
import { contentAlgorithms } from './tables.js'

export interface SealInput {
  readonly header: Omit<SealedHeader, 'contentAlgorithm' | 'nonce'>
  readonly context: SealContext
  readonly content: Buffer
  /** 32 bytes, used for this deposit only; the caller wipes it. */
  readonly contentKey: SecretBytes
  /** K_auth of `header.authKeyId`. */
  readonly authSecret: SecretBytes
}

export const tagBytes = 16

/**
 * The sealed bytes. The random nonce is safe because the key is fresh for each deposit and encrypts once.
 * @param nonce only for frozen vectors; 12 bytes.
 */
export function sealContent(input: SealInput, nonce: Buffer = randomBytes(nonceBytes)): Buffer {
  const header = formatHeader({
    ...input.header,
    contentAlgorithm: contentAlgorithms['hkdf-sha256-aes-256-gcm'],
    nonce,
  })
  const bound = Buffer.concat([header, formatContext(input.context)])
  const key = deriveContentCipherKey(input.contentKey, input.authSecret, bound)
  try {
    const cipher = key.expose((bytes) => createCipheriv('aes-256-gcm', bytes, nonce))
    cipher.setAAD(bound)
    const encrypted = cipher.update(input.content)
    // A stream cipher: nothing is left over.
    cipher.final()
    const length = new ByteWriter().uint32(encrypted.length).toBuffer()
    return Buffer.concat([header, length, encrypted, cipher.getAuthTag()])
  } finally {
    key.wipe()
  }
}
