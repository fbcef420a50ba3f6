/** The reverse of `sealContent`, after the HSM has unwrapped the content key. */
import { createDecipheriv } from 'node:crypto'
import type { SecretBytes } from '@keyhsm/core'
import { malformed } from './byte-reader.js'
import { deriveContentCipherKey } from './content-key.js'
import { formatContext, type SealContext } from './context.js'
import type { SealedDeposit } from './parse-sealed.js'

export interface OpenInput {
  readonly sealed: SealedDeposit
  /** From where the bytes were read, not what they claim. */
  readonly context: SealContext
  readonly contentKey: SecretBytes
  readonly authSecret: SecretBytes
}

/** The content. @throws ERR_INTEGRITY, one error for every reason; no byte is returned before the tag was checked. */
export function openContent(input: OpenInput): Buffer {
  const { headerBytes, encrypted, tag, header } = input.sealed
  const bound = Buffer.concat([headerBytes, formatContext(input.context)])
  const key = deriveContentCipherKey(input.contentKey, input.authSecret, bound)
  try {
    const decipher = key.expose((bytes) =>
      createDecipheriv('aes-256-gcm', bytes, header.nonce, { authTagLength: tag.length }),
    )
    decipher.setAAD(bound)
    decipher.setAuthTag(tag)
    const content = decipher.update(encrypted)
    finish(decipher, content)
    return content
  } finally {
    key.wipe()
  }
}

function finish(decipher: { final(): Buffer }, content: Buffer): void {
  try {
    decipher.final()
  } catch {
    content.fill(0)
    throw malformed('tag does not match')
  }
}
