/** What the token does with a loaded key: one table for wrapping, one for MACs. */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  diffieHellman,
  randomBytes,
  sign,
} from 'node:crypto'
import { DomainError, SecretBytes } from '@keyhsm/core'
import {
  aesGcmAssociatedData,
  aesGcmNonceBytes,
  aesGcmTagBytes,
  formatAesGcmWrapped,
  parseAesGcmWrapped,
} from '../aes-gcm.js'
import { checkContentKey, contentKeyBytes, wrappedKeyRefused } from '../content-key.js'
import { finishEciesUnwrap, padSharedSecret, parseEciesWrapped } from '../ecies.js'
import type { KeyUse, WrappedKey } from '../hsm.js'
import type { KeyKind, WrappingKind } from '../kinds.js'
import { formatP256Spki } from '../p256-point.js'
import { unwrapRsaOaep } from '../rsa-oaep.js'
import type { WrapAlgorithm } from '../wrap-algorithms.js'
import { wrapInSoftware } from '../wrap-in-software.js'
import { aesCmac } from './aes-cmac.js'
import type { LoadedKey } from './loaded-key.js'

/** One algorithm a kind; the token never used another, so bytes that name another do not belong to it. */
export const softTokenAlgorithms = {
  'ec-p256': 'ecies-p256-hkdf-sha256-aes-256-gcm',
  'rsa-2048': 'rsa-oaep-sha256',
  'rsa-3072': 'rsa-oaep-sha256',
  'aes-256': 'aes-256-gcm',
} as const satisfies Record<WrappingKind, WrapAlgorithm>

type Unwrap = (key: LoadedKey, bytes: Buffer, binding: Buffer) => SecretBytes
type Mac = (key: LoadedKey, message: Buffer) => Buffer

const unwraps: Readonly<Record<WrappingKind, Unwrap>> = {
  'ec-p256': unwrapEcies,
  'rsa-2048': unwrapRsa,
  'rsa-3072': unwrapRsa,
  'aes-256': unwrapAesGcm,
}

const macs: Readonly<Partial<Record<KeyKind, Mac>>> = {
  'hmac-sha256': (key, message) => createHmac('sha256', key.secret).update(message).digest(),
  'cmac-aes-256': (key, message) => aesCmac(key.secret, message),
}

/** @throws ERR_HSM_REFUSED when the key is not for wrapping; ERR_INVALID_INPUT for a content key of another length. */
export function wrapWith(key: LoadedKey, contentKey: SecretBytes, binding: Buffer): WrappedKey {
  const kind = wrappingKindOf(key)
  checkContentKey(contentKey)
  const algorithm = softTokenAlgorithms[kind]
  if (key.publicKey) return wrapInSoftware(key.publicKey, algorithm, contentKey, binding)
  return { algorithm, bytes: wrapAesGcm(key, contentKey, binding) }
}

/** @throws ERR_HSM_REFUSED when the key is not for wrapping; ERR_INTEGRITY when bytes or algorithm are not its own. */
export function unwrapWith(key: LoadedKey, wrapped: WrappedKey, binding: Buffer): SecretBytes {
  const kind = wrappingKindOf(key)
  if (wrapped.algorithm !== softTokenAlgorithms[kind]) throw wrappedKeyRefused()
  return unwraps[kind](key, wrapped.bytes, binding)
}

/** @throws ERR_HSM_REFUSED when the key is not for authenticating. */
export function authenticateWith(key: LoadedKey, message: Buffer): SecretBytes {
  const mac = macs[key.key.kind]
  if (!mac || key.key.use !== 'authenticate') throw useRefused('authenticate')
  return SecretBytes.own(mac(key, message))
}

/** @throws ERR_HSM_REFUSED when the key is not for signing. */
export function signWith(key: LoadedKey, message: Buffer): Buffer {
  if (key.key.use !== 'sign') throw useRefused('sign')
  return sign('sha256', message, { key: key.secret, dsaEncoding: 'ieee-p1363' })
}

function wrappingKindOf(key: LoadedKey): WrappingKind {
  if (key.key.use !== 'wrap') throw useRefused('wrap')
  return key.key.kind as WrappingKind
}

function useRefused(use: KeyUse): DomainError {
  return new DomainError('ERR_HSM_REFUSED', `this HSM key may not ${use}`)
}

function wrapAesGcm(key: LoadedKey, contentKey: SecretBytes, binding: Buffer): Buffer {
  const nonce = randomBytes(aesGcmNonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce)
  cipher.setAAD(aesGcmAssociatedData(key.key.id, binding))
  const ciphertext = contentKey.expose((bytes) => cipher.update(bytes))
  cipher.final()
  return formatAesGcmWrapped({ nonce, sealed: Buffer.concat([ciphertext, cipher.getAuthTag()]) })
}

function unwrapAesGcm(key: LoadedKey, bytes: Buffer, binding: Buffer): SecretBytes {
  const { nonce, sealed } = parseAesGcmWrapped(bytes)
  const options = { authTagLength: aesGcmTagBytes }
  const decipher = createDecipheriv('aes-256-gcm', key.secret, nonce, options)
  decipher.setAAD(aesGcmAssociatedData(key.key.id, binding))
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

function unwrapRsa(key: LoadedKey, bytes: Buffer): SecretBytes {
  return unwrapRsaOaep(key.secret, 'rsa-oaep-sha256', bytes)
}

function unwrapEcies(key: LoadedKey, bytes: Buffer, binding: Buffer): SecretBytes {
  if (!key.publicKey) throw wrappedKeyRefused()
  const wrapped = parseEciesWrapped(bytes)
  const spki = formatP256Spki(wrapped.ephemeralPoint)
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  const shared = padSharedSecret(diffieHellman({ privateKey: key.secret, publicKey }))
  try {
    return finishEciesUnwrap(key.publicKey, shared, wrapped, binding)
  } finally {
    shared.wipe()
  }
}
