/** Uncompressed points of NIST P-256, as PKCS#11 exchanges them. */
import { createPublicKey } from 'node:crypto'
import { wrappedKeyRefused } from './content-key.js'

/** 04 ‖ x(32) ‖ y(32). @see SEC 1 §2.3.3 */
export const p256PointBytes = 65

/** SubjectPublicKeyInfo of a P-256 key up to the point: ecPublicKey, prime256v1. @see RFC 5480 §2 */
const spkiPrefix = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

/** The SubjectPublicKeyInfo (DER, 91 bytes) of an uncompressed point. The point is not checked. */
export function formatP256Spki(point: Buffer): Buffer {
  return Buffer.concat([spkiPrefix, point])
}

/**
 * Returns `point` when it is uncompressed and on the curve. Must be asked before a foreign point goes to a device: an
 * ECDH with a point of another curve leaks the private key, and not every device checks. P-256 has cofactor 1, so on
 * the curve and not the point at infinity (which has no uncompressed form) is enough.
 * @throws ERR_INTEGRITY otherwise. @see NIST SP 800-56A r3 §5.6.2.3.3
 */
export function checkP256Point(point: Buffer): Buffer {
  if (point.length !== p256PointBytes || point[0] !== 0x04) throw wrappedKeyRefused()
  try {
    createPublicKey({ key: formatP256Spki(point), format: 'der', type: 'spki' })
  } catch (cause) {
    throw wrappedKeyRefused(cause)
  }
  return point
}
