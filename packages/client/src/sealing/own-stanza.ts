/**
 * A stanza for the writer itself: the file key under a key that only the holder of the writer's age identity can derive. It opens without
 * ML-KEM, which costs ten times all the rest, and being symmetric it is as good against quantum computers. The writer's hybrid
 * stanza stays beside it, so every age program with the identity still opens the file; those ignore this one.
 *
 * @see docs/formats/client-sealed.md
 */
import { hkdfSync, randomBytes } from 'node:crypto'
import { fileKeyBytes } from './age-file.js'
import type { Stanza } from './age-header.js'
import { decryptChaCha, encryptChaCha, tagBytes } from './chacha20-poly1305.js'
import type { HybridIdentity } from './hybrid-identity.js'
import { unpadded } from './unpadded.js'

const kind = 'keytrustee-own'
const info = 'keytrustee own stanza v1'
const saltBytes = 16
/** Each key is used once: its salt is fresh. */
const nonce = Buffer.alloc(12)

/** @param identity of the writer, who is one of the readers. */
export function wrapForOwner(identity: HybridIdentity, fileKey: Buffer): Stanza {
  const salt = randomBytes(saltBytes)
  const body = encryptChaCha(keyOf(identity, salt), nonce, fileKey)
  return { args: [kind, unpadded.encode(salt)], body }
}

/** The file key, when one of `stanzas` is this identity's own. */
export function unwrapAsOwner(
  identity: HybridIdentity,
  stanzas: readonly Stanza[],
): Buffer | undefined {
  for (const { args, body } of stanzas) {
    if (args[0] !== kind || args.length !== 2) continue
    const salt = unpadded.decode(args[1] ?? '')
    if (salt?.length !== saltBytes || body.length !== fileKeyBytes + tagBytes) continue
    const fileKey = decryptChaCha(keyOf(identity, salt), nonce, body)
    if (fileKey) return fileKey
  }
  return undefined
}

function keyOf({ seed }: HybridIdentity, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', seed, salt, info, 32))
}
