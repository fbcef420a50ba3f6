/**
 * The key encapsulation of age's hybrid recipients: ML-KEM-768 (of @noble/post-quantum, because Node.js 20 has none) with X25519 and
 * the hashes of node:crypto. A reader's key pair is expanded once and kept, which is half of the work.
 *
 * @see draft-connolly-cfrg-xwing-kem-10 §5
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { ml_kem768 as mlKem } from '@noble/post-quantum/ml-kem.js'

/** What opens: the ML-KEM key, and X25519 as both halves. */
export interface XWingKey {
  readonly mlKem: Uint8Array
  readonly x25519: KeyObject
  readonly x25519Public: Buffer
}

/** Lengths in bytes: of a public key, of an encapsulation, and of the part of ML-KEM in each. */
export const publicKeyBytes = 1216
export const encapsulationBytes = 1120
const mlKemPublicBytes = 1184
const mlKemCiphertextBytes = 1088

/** A backslash, a dot, two slashes, a caret, a backslash. @see §5.3 of the draft */
const label = Buffer.from('5c2e2f2f5e5c', 'hex')
/** DER before the 32 bytes of a raw X25519 key. @see RFC 8410 §4, §7 */
const spkiHead = Buffer.from('302a300506032b656e032100', 'hex')
const pkcs8Head = Buffer.from('302e020100300506032b656e04220420', 'hex')

/** @param seed 32 bytes: the secret that an identity holds. */
export function expandXWingKey(seed: Uint8Array): XWingKey {
  const expanded = createHash('shake256', { outputLength: 96 }).update(seed).digest()
  const der = Buffer.concat([pkcs8Head, expanded.subarray(64)])
  const x25519 = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const pair = mlKem.keygen(expanded.subarray(0, 64))
  expanded.fill(0)
  der.fill(0)
  return { mlKem: pair.secretKey, x25519, x25519Public: rawPublicKey(x25519) }
}

/** A fresh secret of 32 bytes, and what lets the holder of the public key's other half find it. */
export function encapsulate(publicKey: Uint8Array): { secret: Buffer; encapsulation: Buffer } {
  const theirs = Buffer.from(publicKey.subarray(mlKemPublicBytes))
  const { cipherText, sharedSecret } = mlKem.encapsulate(publicKey.subarray(0, mlKemPublicBytes))
  const { privateKey } = generateKeyPairSync('x25519')
  const mine = rawPublicKey(privateKey)
  const common = exchange(privateKey, theirs)
  const secret = combine({ mlKem: sharedSecret, x25519: common, encapsulated: mine, theirs })
  return { secret, encapsulation: Buffer.concat([cipherText, mine]) }
}

/** The secret of an encapsulation; for one that was changed another, as ML-KEM has it. */
export function decapsulate(key: XWingKey, encapsulation: Buffer): Buffer {
  const encapsulated = encapsulation.subarray(mlKemCiphertextBytes)
  const ciphertext = encapsulation.subarray(0, mlKemCiphertextBytes)
  return combine({
    mlKem: mlKem.decapsulate(ciphertext, key.mlKem),
    x25519: exchange(key.x25519, encapsulated),
    encapsulated,
    theirs: key.x25519Public,
  })
}

/** @throws Error for a point of small order, whose secret everybody knows. */
function exchange(privateKey: KeyObject, rawPublic: Buffer): Buffer {
  const key = Buffer.concat([spkiHead, rawPublic])
  return diffieHellman({
    privateKey,
    publicKey: createPublicKey({ key, format: 'der', type: 'spki' }),
  })
}

interface Halves {
  readonly mlKem: Uint8Array
  readonly x25519: Buffer
  /** X25519's part of the encapsulation, and of the public key. */
  readonly encapsulated: Buffer
  readonly theirs: Buffer
}

function combine({ mlKem: first, x25519, encapsulated, theirs }: Halves): Buffer {
  const hash = createHash('sha3-256')
  for (const part of [first, x25519, encapsulated, theirs, label]) hash.update(part)
  first.fill(0)
  x25519.fill(0)
  return hash.digest()
}

function rawPublicKey(key: KeyObject): Buffer {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return der.subarray(spkiHead.length)
}
