import { createHash } from 'node:crypto'
import type { Fingerprint, HsmKeyId } from '@keyhsm/core'

/** Fingerprint of a key pair: SHA-256 of its SubjectPublicKeyInfo (DER). */
export function spkiFingerprint(publicKey: Buffer): Fingerprint {
  return createHash('sha256').update(publicKey).digest('hex') as Fingerprint
}

/**
 * Fingerprint of a secret key: SHA-256 of "keyhsm secret key" ‖ the 16 bytes of its id. It names the id, not the
 * value: a check value made with the key would be one more thing computed under it that leaves the device.
 */
export function secretKeyFingerprint(id: HsmKeyId): Fingerprint {
  const hash = createHash('sha256').update('keyhsm secret key', 'ascii')
  return hash.update(id, 'hex').digest('hex') as Fingerprint
}
