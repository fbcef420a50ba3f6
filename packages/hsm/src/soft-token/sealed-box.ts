/** AES-256-GCM for the token's own files: nonce (12) ‖ ciphertext ‖ tag (16). The caller sees to distinct data. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'

const nonceBytes = 12
const tagBytes = 16

/** Encrypts `secret`; the nonce is random, and a token makes far fewer than 2^32 files. */
export function sealBox(key: SecretBytes, secret: SecretBytes, associatedData: string): Buffer {
  const nonce = randomBytes(nonceBytes)
  const cipher = key.expose((bytes) => createCipheriv('aes-256-gcm', bytes, nonce))
  cipher.setAAD(Buffer.from(associatedData))
  const ciphertext = secret.expose((bytes) => cipher.update(bytes))
  cipher.final()
  return Buffer.concat([nonce, ciphertext, cipher.getAuthTag()])
}

/** The secret again, or undefined when key, bytes or associated data are not those of the sealing. */
export function openBox(
  key: SecretBytes,
  box: Buffer,
  associatedData: string,
): SecretBytes | undefined {
  if (box.length < nonceBytes + tagBytes) return undefined
  const nonce = box.subarray(0, nonceBytes)
  const tag = box.subarray(-tagBytes)
  const decipher = key.expose((bytes) =>
    createDecipheriv('aes-256-gcm', bytes, nonce, { authTagLength: tagBytes }),
  )
  decipher.setAAD(Buffer.from(associatedData)).setAuthTag(tag)
  const secret = SecretBytes.own(decipher.update(box.subarray(nonceBytes, -tagBytes)))
  try {
    decipher.final()
    return secret
  } catch {
    secret.wipe()
    return undefined
  }
}
