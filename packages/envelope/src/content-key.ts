/**
 * The key of the content cipher. A wrap under a public key does not authenticate: anyone who reads the public key could
 * make a valid-looking deposit. K_auth, which only a Key HSM on the partition can have computed, goes into the key, so a
 * forged deposit does not open.
 */
import { createHmac, hash } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'

const label = Buffer.from('keyhsm content key v1', 'ascii')
/** No salt stands for as many zeros as the hash is long. @see RFC 5869 §2.2 */
const noSalt = Buffer.alloc(32)
/** The number of the only block: 32 bytes are one output of the hash. @see RFC 5869 §2.3 */
const firstBlock = Buffer.of(1)

/**
 * HKDF-SHA-256(content key ‖ K_auth, no salt, info = label ‖ SHA-256(header ‖ context)); the caller wipes it. The hash
 * stands for the bytes because `hkdfSync` takes at most 1024 bytes of info and a header with trustees is longer. Written as
 * the two HMACs it is made of: `hkdfSync` looks its algorithms up anew each time, which takes three times as long as both.
 */
export function deriveContentCipherKey(
  contentKey: SecretBytes,
  authSecret: SecretBytes,
  boundBytes: Buffer,
): SecretBytes {
  const input = contentKey.expose((key) =>
    authSecret.expose((secret) => Buffer.concat([key, secret])),
  )
  const extracted = createHmac('sha256', noSalt).update(input).digest()
  try {
    const expansion = createHmac('sha256', extracted).update(label)
    return SecretBytes.own(
      expansion
        .update(hash('sha256', boundBytes, 'buffer'))
        .update(firstBlock)
        .digest(),
    )
  } finally {
    input.fill(0)
    extracted.fill(0)
  }
}
