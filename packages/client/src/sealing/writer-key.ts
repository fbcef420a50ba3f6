/** Identity keys of writers: Ed25519, on the wire and in settings as SPKI in base64. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { type Fingerprint, invalidInput, parseFingerprint } from '@keyhsm/core'
import { decodeBase64, encodeBase64 } from '@keyhsm/protocol'

/** Raw 32 bytes of an Ed25519 key, public or private. */
export function rawWriterKey(key: KeyObject): Buffer {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' })
  return Buffer.from(String(x), 'base64url')
}

/** SPKI in base64, as the server keeps it. */
export function formatWriterKey(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return encodeBase64(publicKey.export({ type: 'spki', format: 'der' }))
}

/** Raw 32 bytes as SPKI in base64. */
export function formatRawWriterKey(raw: Buffer): string {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') }
  return formatWriterKey(createPublicKey({ key: jwk, format: 'jwk' }))
}

/** SHA-256 of a raw identity key: what people compare. */
export function identityFingerprintOfRaw(raw: Buffer): Fingerprint {
  return createHash('sha256').update(raw).digest('hex') as Fingerprint
}

/**
 * The fingerprint of a writer given by its key or by that fingerprint: content names its writer's whole key itself.
 * @throws ERR_INVALID_INPUT naming `field`
 */
export function parseWriterPin(text: string, field: string): Fingerprint {
  if (/^[0-9a-f:]{64,95}$/i.test(text)) return parseFingerprint(text, field)
  try {
    return identityFingerprintOfRaw(rawWriterKey(parseWriterKey(text, field)))
  } catch {
    throw invalidInput(field, 'must be an identity key (SPKI, base64) or its SHA-256 fingerprint')
  }
}

/** @throws ERR_INVALID_INPUT naming `field` for anything but an Ed25519 public key. */
export function parseWriterKey(text: string, field: string): KeyObject {
  const der = decodeBase64(text, field)
  try {
    const key = createPublicKey({ key: der, type: 'spki', format: 'der' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Falls through to the one error.
  }
  throw invalidInput(field, 'must be an Ed25519 public key (SPKI, base64)')
}
