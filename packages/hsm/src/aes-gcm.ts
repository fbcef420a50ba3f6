/**
 * `aes-256-gcm`: the content key encrypted under an AES key of the device. Wrapped bytes, 60: nonce (12) ‖
 * ciphertext (32) ‖ tag (16). The nonce is random and stored; with one key for many deposits the key is rotated before
 * 2^30 wraps, which keeps the chance of a repeated nonce below 2^-37 (NIST SP 800-38D §8.3 asks for 2^-32).
 * @see docs/formats/wrapped-key.md#aes-gcm
 */
import { createHash } from 'node:crypto'
import type { HsmKeyId } from '@keyhsm/core'
import { contentKeyBytes, wrappedKeyRefused } from './content-key.js'
import { wrapAlgorithms } from './wrap-algorithms.js'

export const aesGcmNonceBytes = 12
export const aesGcmTagBytes = 16
/** Length of a content key wrapped this way. */
export const aesGcmWrappedBytes = aesGcmNonceBytes + contentKeyBytes + aesGcmTagBytes

const dataHead = Buffer.from([
  ...Buffer.from('keyhsm aes-gcm v1\0', 'ascii'),
  wrapAlgorithms['aes-256-gcm'].id,
])

/** The parts of wrapped bytes. PKCS#11 takes `sealed` whole: its GCM output is ciphertext ‖ tag. */
export interface AesGcmWrapped {
  readonly nonce: Buffer
  /** Ciphertext ‖ tag. */
  readonly sealed: Buffer
}

/**
 * The associated data of a wrap, 67 bytes whatever the binding: "keyhsm aes-gcm v1" ‖ 00 ‖ algorithm id (1) ‖
 * key id (16) ‖ SHA-256(binding) (32). Short and of one length because devices limit it.
 */
export function aesGcmAssociatedData(id: HsmKeyId, binding: Buffer): Buffer {
  const digest = createHash('sha256').update(binding).digest()
  return Buffer.concat([dataHead, Buffer.from(id, 'hex'), digest])
}

/** @throws ERR_INTEGRITY when the length is wrong. */
export function parseAesGcmWrapped(wrapped: Buffer): AesGcmWrapped {
  if (wrapped.length !== aesGcmWrappedBytes) throw wrappedKeyRefused()
  return {
    nonce: wrapped.subarray(0, aesGcmNonceBytes),
    sealed: wrapped.subarray(aesGcmNonceBytes),
  }
}

/** Wrapped bytes of a nonce and the device's ciphertext ‖ tag. */
export function formatAesGcmWrapped(parts: AesGcmWrapped): Buffer {
  return Buffer.concat([parts.nonce, parts.sealed])
}
