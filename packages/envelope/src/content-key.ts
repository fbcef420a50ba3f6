/**
 * The key of the content cipher. A wrap under a public key does not authenticate: anyone who reads the public key could
 * make a valid-looking deposit. K_auth, which only a Key HSM on the partition can have computed, goes into the key, so a
 * forged deposit does not open.
 */
import { createHash, hkdfSync } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'

export const contentKeyBytes = 32
const label = Buffer.from('keyhsm content key v1', 'ascii')

/**
 * HKDF-SHA-256(content key ‖ K_auth, no salt, info = label ‖ SHA-256(header ‖ context)); the caller wipes it. The hash
 * stands for the bytes because node:crypto takes at most 1024 bytes of info and a header with trustees is longer.
 */
export function deriveContentCipherKey(
  contentKey: SecretBytes,
  authSecret: SecretBytes,
  boundBytes: Buffer,
): SecretBytes {
  const input = contentKey.expose((key) =>
    authSecret.expose((secret) => Buffer.concat([key, secret])),
  )
  try {
    const bound = createHash('sha256').update(boundBytes).digest()
    const info = Buffer.concat([label, bound])
    return SecretBytes.own(
      new Uint8Array(hkdfSync('sha256', input, Buffer.alloc(0), info, contentKeyBytes)),
    )
  } finally {
    input.fill(0)
  }
}
