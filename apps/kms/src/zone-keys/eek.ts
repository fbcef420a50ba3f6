/**
 * The EEK format: a data key under a zone key version. AES-CTR whose counter block is the IV with every bit flipped; no tag, no
 * header, so a wrong key gives garbage and not an error.
 * @see docs/protocols/hadoop-kms.md#encrypted-keys
 */
import { type Cipher, createCipheriv, randomBytes } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'

export const ivBytes = 16
const blockBytes = 16

/** Bits that a zone key may have which is made here, by its algorithm. */
const bitsOfAlgorithm: Readonly<Record<string, readonly number[]>> = {
  AES: [128, 192, 256],
  SM4: [128],
}

/** An encrypted data key as it travels: the IV is also the one that HDFS encrypts the file with. */
export interface Eek {
  readonly iv: Buffer
  readonly material: Buffer
}

/**
 * One zone key version, ready to wrap. Setting up the library's counter mode for a single data key takes as long as the rest of a request's
 * work, so the counter blocks are encrypted here by a block cipher that is set up once (NIST SP 800-38A, 6.5).
 */
export class EekCipher {
  readonly #keyBytes: number
  readonly #blocks: Cipher

  /** @throws ERR_INVALID_INPUT for a zone key that nothing can be wrapped with. */
  constructor(zoneKey: Buffer, cipher: string) {
    const algorithm = blockCipherOf(cipher, zoneKey.length)
    this.#keyBytes = zoneKey.length
    this.#blocks = createCipheriv(algorithm, zoneKey, null).setAutoPadding(false)
  }

  /** Wraps or unwraps (one and the same operation). @throws ERR_INVALID_INPUT for an IV of another length than 16 bytes. */
  apply({ iv, material }: Eek): Buffer {
    if (iv.length !== ivBytes) throw invalidInput('iv', `must be ${ivBytes} bytes`)
    const stream = this.#blocks.update(counterBlocks(iv, material.length))
    for (let i = 0; i < material.length; i += 1) stream[i] = (stream[i] ?? 0) ^ (material[i] ?? 0)
    return stream.subarray(0, material.length)
  }

  /** A fresh data key of the zone key's length, wrapped; the data key itself is wiped. */
  make(): Eek {
    // A random IV each time: two data keys under one zone key and IV would leak their XOR.
    const random = randomBytes(ivBytes + this.#keyBytes)
    const iv = random.subarray(0, ivBytes)
    const dataKey = random.subarray(ivBytes)
    try {
      return { iv, material: this.apply({ iv, material: dataKey }) }
    } finally {
      dataKey.fill(0)
    }
  }

  /** Ends it; the library wipes its copy of the key. */
  close(): void {
    this.#blocks.final()
  }
}

/**
 * SM4 for a key of SM4, AES for every other. observed: Hadoop's KMS 3.4 wraps with AES whatever algorithm, mode or padding the key's cipher
 * names, if only the key has one of AES's lengths. @see docs/decisions/0195-cipher-of-a-zone-key.md
 */
function blockCipherOf(cipher: string, keyBytes: number): string {
  const algorithm = algorithmOf(cipher) === 'SM4' ? 'SM4' : 'AES'
  const bits = keyBytes * 8
  if (!bitsOfAlgorithm[algorithm]?.includes(bits))
    throw invalidInput('cipher', `is ${algorithm} here, which has no keys of ${bits} bits`)
  return algorithm === 'SM4' ? 'sm4-ecb' : `aes-${bits}-ecb`
}

/** As many as `length` bytes need: the flipped IV, then one more for each block, big-endian and wrapping. */
function counterBlocks(iv: Buffer, length: number): Buffer {
  const blocks = Buffer.allocUnsafe(Math.ceil(length / blockBytes) * blockBytes)
  for (let i = 0; i < Math.min(blockBytes, blocks.length); i += 1) blocks[i] = (iv[i] ?? 0) ^ 0xff
  for (let at = blockBytes; at < blocks.length; at += blockBytes) {
    blocks.copyWithin(at, at - blockBytes, at)
    increment(blocks, at + blockBytes)
  }
  return blocks
}

/** The big-endian number that ends before `end`, plus one. */
function increment(bytes: Buffer, end: number): void {
  for (let i = end - 1; i >= end - blockBytes; i -= 1) {
    const next = ((bytes[i] ?? 0) + 1) & 0xff
    bytes[i] = next
    if (next !== 0) return
  }
}

/** `AES/CTR/NoPadding` → `AES`. */
function algorithmOf(cipher: string): string {
  return cipher.split('/')[0]?.toUpperCase() ?? ''
}

/** Bits that a new key of this cipher may have; undefined for one that is not made here. What follows the algorithm is a label. */
export function bitsOf(cipher: string): readonly number[] | undefined {
  const algorithm = algorithmOf(cipher)
  return Object.hasOwn(bitsOfAlgorithm, algorithm) ? bitsOfAlgorithm[algorithm] : undefined
}
