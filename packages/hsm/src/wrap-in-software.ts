import { DomainError, type SecretBytes } from '@keyhsm/core'
import { wrapEcies } from './ecies.js'
import type { WrappedKey } from './hsm.js'
import { isRsaOaep, wrapRsaOaep } from './rsa-oaep.js'
import { type WrapAlgorithm, wrapAlgorithms } from './wrap-algorithms.js'
import type { WrapPublicKey } from './wrap-public-key.js'

/**
 * Wraps a content key with the public half of an HSM key, without asking the device. `publicKey` must come from the
 * device. The RSA algorithms ignore `binding` (`bindsContext: false`); the payload layer binds it.
 * @throws ERR_HSM_NOT_SUPPORTED when the algorithm is not one of this key's kind; ERR_INVALID_INPUT when the content key
 * does not have 32 bytes.
 */
export function wrapInSoftware(
  publicKey: WrapPublicKey,
  algorithm: WrapAlgorithm,
  contentKey: SecretBytes,
  binding: Buffer,
): WrappedKey {
  const kinds: readonly string[] = wrapAlgorithms[algorithm].kinds
  if (!kinds.includes(publicKey.kind)) {
    throw new DomainError('ERR_HSM_NOT_SUPPORTED', `${algorithm} needs a key of kind ${kinds[0]}`)
  }
  const bytes = isRsaOaep(algorithm)
    ? wrapRsaOaep(publicKey.key, algorithm, contentKey)
    : wrapEcies(publicKey, contentKey, binding)
  return { algorithm, bytes }
}
