import { createPublicKey, type KeyObject } from 'node:crypto'
import { DomainError, type HsmKeyId } from '@keyhsm/core'
import type { WrappingKind } from './kinds.js'
import { formatP256Spki, p256PointBytes } from './p256-point.js'

/**
 * The public half of a wrapping pair, parsed. The backend keeps it beside its handle: parsing costs more than a wrap.
 * It must have been read from the device, never from a database.
 */
export interface WrapPublicKey {
  readonly id: HsmKeyId
  readonly kind: Exclude<WrappingKind, 'aes-256'>
  readonly key: KeyObject
  /** Uncompressed point (65 bytes, 04 ‖ x ‖ y) of an ec-p256 key; empty for RSA. */
  readonly point: Buffer
}

/**
 * Parses the SubjectPublicKeyInfo (DER) of HSM key `id`.
 * @throws ERR_HSM_NOT_SUPPORTED when it is not a P-256, RSA-2048 or RSA-3072 key in the plain encoding.
 */
export function parseWrapPublicKey(id: HsmKeyId, spki: Buffer): WrapPublicKey {
  const key = parseSpki(spki)
  const kind = kindOf(key)
  if (!kind) throw notSupported()
  return { id, kind, key, point: kind === 'ec-p256' ? pointOf(spki) : Buffer.alloc(0) }
}

function pointOf(spki: Buffer): Buffer {
  const point = Buffer.from(spki.subarray(-p256PointBytes))
  if (!spki.equals(formatP256Spki(point))) throw notSupported()
  return point
}

function parseSpki(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch (cause) {
    throw notSupported(cause)
  }
}

function kindOf(key: KeyObject): WrapPublicKey['kind'] | undefined {
  const details = key.asymmetricKeyDetails
  if (key.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') return 'ec-p256'
  if (key.asymmetricKeyType !== 'rsa') return undefined
  if (details?.modulusLength === 2048) return 'rsa-2048'
  return details?.modulusLength === 3072 ? 'rsa-3072' : undefined
}

function notSupported(cause?: unknown): DomainError {
  return new DomainError('ERR_HSM_NOT_SUPPORTED', 'the public key is of no kind that can wrap', {
    cause,
  })
}
