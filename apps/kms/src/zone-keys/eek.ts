/**
 * The EEK format: a data key under a zone key version. AES-CTR whose counter block is the IV with every bit flipped; no tag, no
 * header, so a wrong key gives garbage and not an error.
 * @see docs/protocols/hadoop-kms.md#encrypted-keys
 */
import { createCipheriv, randomBytes } from 'node:crypto'
import { invalidInput } from '@keyhsm/core'

export const ivBytes = 16

/** Cipher of a zone key as Hadoop names it → the cipher of the wrap, by the bytes of the zone key. */
const wrapCiphers: Readonly<Record<string, (keyBytes: number) => string>> = {
  AES: (keyBytes) => `aes-${keyBytes * 8}-ctr`,
  SM4: () => 'sm4-ctr',
}

/** An encrypted data key as it travels: the IV is also the one that HDFS encrypts the file with. */
export interface Eek {
  readonly iv: Buffer
  readonly material: Buffer
}

/** Wraps or unwraps (one and the same operation). @throws ERR_INVALID_INPUT for an IV of another length than 16 bytes. */
export function applyEek(zoneKey: Buffer, cipher: string, { iv, material }: Eek): Buffer {
  if (iv.length !== ivBytes) throw invalidInput('iv', `must be ${ivBytes} bytes`)
  const algorithm = wrapCiphers[algorithmOf(cipher)]?.(zoneKey.length)
  if (algorithm === undefined) throw invalidInput('cipher', 'is not known')
  const counter = Buffer.allocUnsafe(ivBytes)
  for (let i = 0; i < ivBytes; i += 1) counter[i] = (iv[i] ?? 0) ^ 0xff
  // CTR gives everything in `update`; `final` would be empty.
  return createCipheriv(algorithm, zoneKey, counter).update(material)
}

/** A fresh data key of the zone key's length, wrapped under it; the data key itself is wiped. */
export function makeEek(zoneKey: Buffer, cipher: string): Eek {
  // A random IV each time: two data keys under one zone key and IV would leak their XOR.
  const random = randomBytes(ivBytes + zoneKey.length)
  const iv = random.subarray(0, ivBytes)
  const dataKey = random.subarray(ivBytes)
  try {
    return { iv, material: applyEek(zoneKey, cipher, { iv, material: dataKey }) }
  } finally {
    dataKey.fill(0)
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
