/**
 * The software half of `ecies-p256-hkdf-sha256-aes-256-gcm`. Wrapping needs only the public key; unwrapping needs one
 * ECDH in the device, between {@link parseEciesWrapped} and {@link finishEciesUnwrap}.
 *
 * Wrapped bytes, 113: ephemeral point (65, uncompressed) ‖ ciphertext (32) ‖ tag (16).
 * Key and nonce, 44 bytes: HKDF-SHA-256(IKM = shared x-coordinate, 32 bytes left-padded; no salt; info), where info is
 * "keyhsm ecies p256 v1" ‖ 00 ‖ algorithm id (1) ‖ key id (16) ‖ recipient point (65) ‖ ephemeral point (65) ‖
 * SHA-256(binding). Every part has a fixed length, so no two inputs give one info.
 *
 * The nonce is safe because key and nonce are derived together from an ephemeral key that is made for one wrap and
 * thrown away: no key ever meets a second plaintext. The associated data is empty because everything that must not
 * change is in info, and another info is another key.
 *
 * @see docs/formats/wrapped-key.md#ecies
 */
import { createCipheriv, createDecipheriv, createECDH, createHash, hkdfSync } from 'node:crypto'
import { DomainError, SecretBytes } from '@keyhsm/core'
import { checkContentKey, contentKeyBytes, wrappedKeyRefused } from './content-key.js'
import { checkP256Point, p256PointBytes } from './p256-point.js'
import { wrapAlgorithms } from './wrap-algorithms.js'
import type { WrapPublicKey } from './wrap-public-key.js'

const tagBytes = 16
const nonceBytes = 12
const sharedSecretBytes = 32
const noSalt = Buffer.alloc(0)
const infoHead = Buffer.from([
  ...Buffer.from('keyhsm ecies p256 v1\0', 'ascii'),
  wrapAlgorithms['ecies-p256-hkdf-sha256-aes-256-gcm'].id,
])

/** Length of a content key wrapped this way. */
export const eciesWrappedBytes = p256PointBytes + contentKeyBytes + tagBytes

/** The two parts of wrapped bytes: what the device needs, and what is decrypted with its answer. */
export interface EciesWrapped {
  /** The public data of the ECDH, raw (65 bytes), proved to be on the curve. */
  readonly ephemeralPoint: Buffer
  /** Ciphertext ‖ tag. */
  readonly sealed: Buffer
}

/**
 * Wraps a content key for `recipient` under `binding`, all in software.
 * @throws ERR_INVALID_INPUT when the content key does not have 32 bytes.
 */
export function wrapEcies(
  recipient: WrapPublicKey,
  contentKey: SecretBytes,
  binding: Buffer,
): Buffer {
  checkContentKey(contentKey)
  const ephemeral = createECDH('prime256v1')
  const ephemeralPoint = ephemeral.generateKeys()
  const shared = SecretBytes.own(ephemeral.computeSecret(recipientPoint(recipient)))
  const derived = deriveKeyAndNonce(recipient, shared, ephemeralPoint, binding)
  shared.wipe()
  try {
    const cipher = derived.expose((bytes) =>
      createCipheriv('aes-256-gcm', keyOf(bytes), nonceOf(bytes)),
    )
    const ciphertext = contentKey.expose((key) => cipher.update(key))
    cipher.final()
    return Buffer.concat([ephemeralPoint, ciphertext, cipher.getAuthTag()])
  } finally {
    derived.wipe()
  }
}

/**
 * Splits wrapped bytes and proves the ephemeral point, before the device sees anything.
 * @throws ERR_INTEGRITY when the length is wrong or the point is not on the curve.
 */
export function parseEciesWrapped(wrapped: Buffer): EciesWrapped {
  if (wrapped.length !== eciesWrappedBytes) throw wrappedKeyRefused()
  return {
    ephemeralPoint: checkP256Point(wrapped.subarray(0, p256PointBytes)),
    sealed: wrapped.subarray(p256PointBytes),
  }
}

/**
 * The shared x-coordinate at its full 32 bytes. Some devices drop leading zero bytes (one wrap in 256). Takes ownership
 * of `raw` and wipes it when it had to be copied.
 * @throws ERR_HSM_REFUSED when it is empty or longer than 32 bytes: then the device derived something else.
 */
export function padSharedSecret(raw: Buffer): SecretBytes {
  if (raw.length === sharedSecretBytes) return SecretBytes.own(raw)
  if (raw.length === 0 || raw.length > sharedSecretBytes) {
    raw.fill(0)
    throw new DomainError('ERR_HSM_REFUSED', 'the device derived a secret of another length')
  }
  const padded = Buffer.alloc(sharedSecretBytes)
  raw.copy(padded, sharedSecretBytes - raw.length)
  raw.fill(0)
  return SecretBytes.own(padded)
}

/**
 * Finishes an unwrap with the secret that the device derived from `wrapped.ephemeralPoint` (see
 * {@link padSharedSecret}). The caller wipes `shared` and the returned content key.
 * @throws ERR_INTEGRITY when bytes, key id, public keys or binding are not those of the wrap.
 */
export function finishEciesUnwrap(
  recipient: WrapPublicKey,
  shared: SecretBytes,
  wrapped: EciesWrapped,
  binding: Buffer,
): SecretBytes {
  const derived = deriveKeyAndNonce(recipient, shared, wrapped.ephemeralPoint, binding)
  try {
    return derived.expose((bytes) => openSealed(bytes, wrapped.sealed))
  } finally {
    derived.wipe()
  }
}

function openSealed(derived: Buffer, sealed: Buffer): SecretBytes {
  const decipher = createDecipheriv('aes-256-gcm', keyOf(derived), nonceOf(derived), {
    authTagLength: tagBytes,
  })
  decipher.setAuthTag(sealed.subarray(contentKeyBytes))
  const contentKey = SecretBytes.own(decipher.update(sealed.subarray(0, contentKeyBytes)))
  try {
    decipher.final()
  } catch {
    contentKey.wipe()
    throw wrappedKeyRefused()
  }
  return contentKey
}

function deriveKeyAndNonce(
  recipient: WrapPublicKey,
  shared: SecretBytes,
  ephemeralPoint: Buffer,
  binding: Buffer,
): SecretBytes {
  const info = Buffer.concat([
    infoHead,
    Buffer.from(recipient.id, 'hex'),
    recipientPoint(recipient),
    ephemeralPoint,
    createHash('sha256').update(binding).digest(),
  ])
  const length = contentKeyBytes + nonceBytes
  const derived = shared.expose((secret) => hkdfSync('sha256', secret, noSalt, info, length))
  return SecretBytes.own(new Uint8Array(derived))
}

function recipientPoint(recipient: WrapPublicKey): Buffer {
  if (recipient.kind === 'ec-p256') return recipient.point
  throw new DomainError('ERR_HSM_NOT_SUPPORTED', 'ECIES needs a P-256 key')
}

function keyOf(derived: Buffer): Buffer {
  return derived.subarray(0, contentKeyBytes)
}

function nonceOf(derived: Buffer): Buffer {
  return derived.subarray(contentKeyBytes)
}
