/** File keys wrapped for post-quantum hybrid readers (`age1pq1…`). @see https://age-encryption.org/v1, RFC 9180 §5.1, §7.2 */
import { createHmac } from 'node:crypto'
import { fileKeyBytes } from './age-file.js'
import type { Stanza } from './age-header.js'
import { decryptChaCha, encryptChaCha, tagBytes } from './chacha20-poly1305.js'
import { type HybridIdentity, readHybridRecipient } from './hybrid-identity.js'
import { unpadded } from './unpadded.js'
import { decapsulate, encapsulate, encapsulationBytes } from './x-wing.js'

const kind = 'mlkem768x25519'
const info = Buffer.from('age-encryption.org/mlkem768x25519')
/** MLKEM768-X25519, HKDF-SHA256, ChaCha20Poly1305. @see RFC 9180 §5.1 for `suite_id` */
const suite = Buffer.concat([Buffer.from('HPKE'), Buffer.from('647a00010003', 'hex')])
const version = Buffer.from('HPKE-v1')
const none = Buffer.alloc(0)

/** @throws Error for a recipient with a typing error. */
export function wrapForHybrid(recipient: string, fileKey: Buffer): Stanza {
  const { secret, encapsulation } = encapsulate(readHybridRecipient(recipient))
  const { key, nonce } = schedule(secret)
  const args = [kind, unpadded.encode(encapsulation)]
  return { args, body: encryptChaCha(key, nonce, fileKey) }
}

/** The file key, when one of `stanzas` is for this identity. @throws Error for a malformed stanza of this kind. */
export function unwrapAsHybrid(
  identity: HybridIdentity,
  stanzas: readonly Stanza[],
): Buffer | undefined {
  for (const { args, body } of stanzas) {
    if (args[0] !== kind) continue
    const encapsulation = args.length === 2 ? unpadded.decode(args[1] ?? '') : undefined
    const fits = body.length === fileKeyBytes + tagBytes
    if (encapsulation?.length !== encapsulationBytes || !fits)
      throw new Error(`malformed stanza ${kind}`)
    const { key, nonce } = schedule(decapsulate(identity.key(), encapsulation))
    const fileKey = decryptChaCha(key, nonce, body)
    if (fileKey) return fileKey
  }
  return undefined
}

/** Key and nonce of the one message. @see RFC 9180 §5.1, KeySchedule with mode_base and no psk */
function schedule(shared: Buffer): { readonly key: Buffer; readonly nonce: Buffer } {
  const secret = extract(shared, 'secret', none)
  shared.fill(0)
  return { key: expand(secret, 'key', 32), nonce: expand(secret, 'base_nonce', 12) }
}

/** @see RFC 9180 §4 LabeledExtract */
function extract(salt: Buffer, label: string, input: Buffer): Buffer {
  const mac = createHmac('sha256', salt).update(version).update(suite).update(label)
  return mac.update(input).digest()
}

/** The same for every message: base mode, no psk, one info. */
const context = Buffer.concat([
  Buffer.of(0),
  extract(none, 'psk_id_hash', none),
  extract(none, 'info_hash', info),
])

/** At most 32 bytes. @see RFC 9180 §4 LabeledExpand */
function expand(secret: Buffer, label: string, length: number): Buffer {
  const mac = createHmac('sha256', secret).update(Buffer.of(0, length))
  mac.update(version).update(suite).update(label).update(context).update(Buffer.of(1))
  return mac.digest().subarray(0, length)
}
