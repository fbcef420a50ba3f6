/** Hybrid identities (`AGE-SECRET-KEY-PQ-1…`) and recipients (`age1pq1…`) as bytes. @see https://age-encryption.org/v1 */
import { bech32 } from '@scure/base'
import { Recent } from './recent.js'
import { expandXWingKey, publicKeyBytes, type XWingKey } from './x-wing.js'

export interface HybridIdentity {
  /** 32 secret bytes: all there is. */
  readonly seed: Uint8Array
  /** What ML-KEM and X25519 need of it; expanded when first asked for, and kept. */
  readonly key: () => XWingKey
}

const seedBytes = 32
const identities = new Recent<HybridIdentity>(8)
const recipients = new Recent<Uint8Array>(256)

/** @throws Error for anything else. */
export function readHybridIdentity(text: string): HybridIdentity {
  return identities.find(text, (encoded) => {
    const { prefix, bytes: seed } = bech32.decodeToBytes(encoded)
    if (prefix.toUpperCase() !== 'AGE-SECRET-KEY-PQ-' || seed.length !== seedBytes)
      throw new Error('no hybrid identity')
    let key: XWingKey | undefined
    return { seed, key: () => (key ??= expandXWingKey(seed)) }
  })
}

/** The public key. @throws Error for anything else. */
export function readHybridRecipient(text: string): Uint8Array {
  return recipients.find(text, (encoded) => {
    // Recipients are longer than Bech32 allows otherwise.
    const { prefix, words } = bech32.decode(encoded, false)
    const bytes = bech32.fromWords(words)
    if (prefix === 'age1pq' && bytes.length === publicKeyBytes) return bytes
    throw new Error('no hybrid recipient')
  })
}
