/** ChaCha20-Poly1305 of node:crypto, which is a hundred times faster for small content than one written in JavaScript. @see RFC 8439 */
import { createCipheriv, createDecipheriv } from 'node:crypto'

const cipher = 'chacha20-poly1305'
/** Length of what is appended. */
export const tagBytes = 16

/** @param key 32 bytes. @param nonce 12 bytes, never used twice with one key. */
export function encryptChaCha(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array): Buffer {
  const encrypting = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes })
  const encrypted = encrypting.update(plain)
  return Buffer.concat([encrypted, encrypting.final(), encrypting.getAuthTag()])
}

/** Undefined when key, nonce and bytes do not belong together. */
export function decryptChaCha(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined
  const decrypting = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes })
  decrypting.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const plain = decrypting.update(sealed.subarray(0, sealed.length - tagBytes))
  try {
    decrypting.final()
    return plain
  } catch {
    plain.fill(0)
    return undefined
  }
}
