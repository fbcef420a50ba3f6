/** The encryption types of Kerberos that are accepted, over node:crypto: AES with SHA-1 (RFC 3962) and with SHA-2 (RFC 8009). */
import { randomBytes } from 'node:crypto'
import { decryptSha1, encryptSha1 } from './aes-sha1.js'
import { decryptSha2, encryptSha2 } from './aes-sha2.js'
import { blockBytes } from './cts.js'
import { notOurs } from './not-ours.js'

interface EncryptionType {
  readonly keyBytes: number
  readonly decrypt: (key: Buffer, usage: number, cipherText: Buffer) => Buffer
  readonly encrypt: (key: Buffer, usage: number, text: Buffer, first: Buffer) => Buffer
}

const sha1 = { decrypt: decryptSha1, encrypt: encryptSha1 }
const sha2 = { decrypt: decryptSha2, encrypt: encryptSha2 }
/** @see RFC 3962 §7, RFC 8009 §8.3 */
const types: Readonly<Record<number, EncryptionType>> = {
  17: { keyBytes: 16, ...sha1 },
  18: { keyBytes: 32, ...sha1 },
  19: { keyBytes: 16, ...sha2 },
  20: { keyBytes: 32, ...sha2 },
}

export interface KerberosKey {
  readonly type: number
  readonly bytes: Buffer
}

/** True for a key that can be used here. */
export function isSupported({ type, bytes }: KerberosKey): boolean {
  return types[type]?.keyBytes === bytes.length
}

/** @throws ERR_NOT_AUTHENTICATED when it was not encrypted with this key for this usage. */
export function decrypt(key: KerberosKey, usage: number, cipherText: Buffer): Buffer {
  return typeOf(key).decrypt(key.bytes, usage, cipherText)
}

/** The reverse; a random block goes first. */
export function encrypt(key: KerberosKey, usage: number, text: Buffer): Buffer {
  return typeOf(key).encrypt(key.bytes, usage, text, randomBytes(blockBytes))
}

function typeOf(key: KerberosKey): EncryptionType {
  const found = types[key.type]
  if (!found || !isSupported(key)) throw notOurs()
  return found
}
