/** RSA-OAEP with an empty label and MGF1 over the same hash. @see RFC 8017 §7.1, docs/formats/wrapped-key.md#rsa-oaep */
import { constants, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { checkContentKey, contentKeyBytes, wrappedKeyRefused } from './content-key.js'

/** The hash of each OAEP algorithm; `oaepHash` sets the MGF1 hash too. */
export const oaepHashes = { 'rsa-oaep-sha256': 'sha256', 'rsa-oaep-sha1': 'sha1' } as const

export type RsaOaepAlgorithm = keyof typeof oaepHashes

/** True for the algorithms of {@link oaepHashes}. */
export function isRsaOaep(algorithm: string): algorithm is RsaOaepAlgorithm {
  return Object.hasOwn(oaepHashes, algorithm)
}

/**
 * Wraps a content key with a public key read from the device; as many bytes as the modulus has.
 * @throws ERR_INVALID_INPUT when the content key does not have 32 bytes.
 */
export function wrapRsaOaep(
  publicKey: KeyObject,
  algorithm: RsaOaepAlgorithm,
  contentKey: SecretBytes,
): Buffer {
  checkContentKey(contentKey)
  return contentKey.expose((key) => publicEncrypt(options(publicKey, algorithm), key))
}

/**
 * Unwraps with a private key in memory: for the software token and the tests. Devices do it with C_Decrypt.
 * The length is checked here because OpenSSL takes a shorter input as the same number: one wrapped key in 256 begins with a
 * zero byte that could be left out. @see RFC 8017 §7.1.2 step 1b
 * @throws ERR_INTEGRITY when the bytes are not a content key wrapped for this key with this hash.
 */
export function unwrapRsaOaep(
  privateKey: KeyObject,
  algorithm: RsaOaepAlgorithm,
  wrapped: Buffer,
): SecretBytes {
  if (wrapped.length * 8 !== privateKey.asymmetricKeyDetails?.modulusLength)
    throw wrappedKeyRefused()
  let contentKey: SecretBytes
  try {
    contentKey = SecretBytes.own(privateDecrypt(options(privateKey, algorithm), wrapped))
  } catch {
    throw wrappedKeyRefused()
  }
  if (contentKey.length === contentKeyBytes) return contentKey
  contentKey.wipe()
  throw wrappedKeyRefused()
}

function options(key: KeyObject, algorithm: RsaOaepAlgorithm) {
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHashes[algorithm] }
}
