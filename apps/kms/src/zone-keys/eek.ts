/**
 * The EEK format: a data key under a zone key version. AES-CTR whose counter block is the IV with every bit flipped; no tag, no
 * header, so a wrong key gives garbage and not an error.
 * @see docs/protocols/hadoop-kms.md#encrypted-keys
 */
import { type Cipher, createCipheriv, randomBytes } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'

export const ivBytes = 16
const blockBytes = 16

/** Cipher of a zone key as Hadoop names it → the block cipher of the wrap, by the bytes of the zone key. */
const blockCiphers: Readonly<Record<string, (keyBytes: number) => string>> = {
  AES: (keyBytes) => `aes-${keyBytes * 8}-ecb`,
  SM4: () => 'sm4-ecb',
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

  /** @throws ERR_INVALID_INPUT for a cipher that is not known. */
  constructor(zoneKey: Buffer, cipher: string) {
    const algorithm = blockCiphers[algorithmOf(cipher)]?.(zoneKey.length)
    if (algorithm === undefined) throw invalidInput('cipher', 'is not known')
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
export function algorithmOf(cipher: string): string {
  return cipher.split('/')[0]?.toUpperCase() ?? ''
}

/** Bits that a key of this cipher may have; undefined for a cipher that zones cannot use. */
export function bitsOf(cipher: string): readonly number[] | undefined {
  return { AES: [128, 192, 256], SM4: [128] }[algorithmOf(cipher)]
}
