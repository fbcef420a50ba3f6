/**
 * The Kerberos encryption types aes128-cts-hmac-sha1-96 and aes256-cts-hmac-sha1-96, over node:crypto. Others are refused.
 * @see RFC 3961 §5.1 n-fold and key derivation, §5.3 the simplified profile; RFC 3962
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { DomainError } from '@keyhsm/core'

/** Encryption type → bytes of its key. */
const keyBytesOf: Readonly<Record<number, number>> = { 17: 16, 18: 32 }
const blockBytes = 16
const macBytes = 12

export interface KerberosKey {
  readonly type: number
  readonly bytes: Buffer
}

/** True for a key that can be used here. */
export function isSupported({ type, bytes }: KerberosKey): boolean {
  return keyBytesOf[type] === bytes.length
}

/** @throws ERR_NOT_AUTHENTICATED when it was not encrypted with this key for this usage. */
export function decrypt(key: KerberosKey, usage: number, cipherText: Buffer): Buffer {
  if (!isSupported(key) || cipherText.length < blockBytes + macBytes) throw notOurs()
  const encrypted = cipherText.subarray(0, -macBytes)
  const plain = fromCts(derive(key, usage, 0xaa), encrypted)
  const mac = macOf(key, usage, plain)
  if (!timingSafeEqual(mac, cipherText.subarray(-macBytes))) throw notOurs()
  return plain.subarray(blockBytes)
}

/** The reverse; a random block goes first. */
export function encrypt(key: KerberosKey, usage: number, text: Buffer): Buffer {
  const plain = Buffer.concat([randomBytes(blockBytes), text])
  return Buffer.concat([toCts(derive(key, usage, 0xaa), plain), macOf(key, usage, plain)])
}

function macOf(key: KerberosKey, usage: number, plain: Buffer): Buffer {
  return createHmac('sha1', derive(key, usage, 0x55))
    .update(plain)
    .digest()
    .subarray(0, macBytes)
}

/** DK(base key, usage ‖ kind). @see RFC 3961 §5.1 */
export function derive(key: KerberosKey, usage: number, kind: number): Buffer {
  const constant = Buffer.alloc(5)
  constant.writeUInt32BE(usage, 0)
  constant.writeUInt8(kind, 4)
  return deriveKey(key.bytes, constant)
}

/** DR with AES: the folded constant is encrypted again and again. */
export function deriveKey(base: Buffer, constant: Buffer): Buffer {
  let block = nFold(constant, blockBytes)
  const blocks: Buffer[] = []
  for (let made = 0; made < base.length; made += blockBytes) {
    block = encryptBlocks(base, block)
    blocks.push(block)
  }
  return Buffer.concat(blocks).subarray(0, base.length)
}

/** @see RFC 3961 §5.1: copies of the input, each rotated 13 bits more to the right, added with end-around carry. */
export function nFold(input: Buffer, length: number): Buffer {
  const total = leastCommonMultiple(input.length, length)
  const sum = new Uint16Array(length)
  for (let at = 0; at < total; at += 1) {
    const copy = Math.floor(at / input.length)
    const place = at % length
    sum[place] = (sum[place] ?? 0) + rotatedByte(input, at % input.length, 13 * copy)
  }
  // Carries run from the last byte to the first, and around.
  for (let carry = 0, round = 0; round < 4 || carry > 0; round += 1) {
    for (let place = length - 1; place >= 0; place -= 1) {
      const value = (sum[place] ?? 0) + carry
      sum[place] = value & 0xff
      carry = value >> 8
    }
  }
  return Buffer.from(sum)
}

/** The byte at `place` of `input` rotated to the right by `bits`. */
function rotatedByte(input: Buffer, place: number, bits: number): number {
  const size = input.length * 8
  let byte = 0
  for (let bit = 0; bit < 8; bit += 1) {
    const from = (((place * 8 + bit - bits) % size) + size) % size
    byte = (byte << 1) | (((input[from >> 3] ?? 0) >> (7 - (from & 7))) & 1)
  }
  return byte
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y > 0) [x, y] = [y, x % y]
  return (a * b) / x
}

function cipherName(key: Buffer): string {
  return `aes-${key.length * 8}-cbc`
}

function encryptBlocks(key: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv(cipherName(key), key, Buffer.alloc(blockBytes)).setAutoPadding(
    false,
  )
  return Buffer.concat([cipher.update(plain), cipher.final()])
}

/** AES-CBC with ciphertext stealing, the last two blocks always swapped. @see RFC 3962 §5 */
export function toCts(key: Buffer, plain: Buffer): Buffer {
  const padded = Buffer.concat([
    plain,
    Buffer.alloc((blockBytes - (plain.length % blockBytes)) % blockBytes),
  ])
  const encrypted = encryptBlocks(key, padded)
  if (padded.length <= blockBytes) return encrypted
  const end = encrypted.length
  const swapped = [
    encrypted.subarray(0, end - 2 * blockBytes),
    encrypted.subarray(end - blockBytes),
    encrypted.subarray(end - 2 * blockBytes, end - blockBytes),
  ]
  return Buffer.concat(swapped).subarray(0, plain.length)
}

/** @throws ERR_NOT_AUTHENTICATED for less than a block. */
export function fromCts(key: Buffer, encrypted: Buffer): Buffer {
  if (encrypted.length < blockBytes) throw notOurs()
  if (encrypted.length === blockBytes)
    return decryptBlocks(key, encrypted, Buffer.alloc(blockBytes))
  const lastBytes = encrypted.length % blockBytes || blockBytes
  const headEnd = encrypted.length - lastBytes - blockBytes
  const whole = encrypted.subarray(headEnd, headEnd + blockBytes)
  const cut = encrypted.subarray(headEnd + blockBytes)
  const mixed = decryptBlocks(key, whole, Buffer.alloc(blockBytes))
  // What was stolen from the block before stands at the end of the decrypted one.
  const before = Buffer.concat([cut, mixed.subarray(lastBytes)])
  const last = Buffer.alloc(lastBytes)
  for (let i = 0; i < lastBytes; i += 1) last[i] = (mixed[i] ?? 0) ^ (cut[i] ?? 0)
  const head = Buffer.concat([encrypted.subarray(0, headEnd), before])
  return Buffer.concat([decryptBlocks(key, head, Buffer.alloc(blockBytes)), last])
}

function decryptBlocks(key: Buffer, encrypted: Buffer, iv: Buffer): Buffer {
  const decipher = createDecipheriv(cipherName(key), key, iv).setAutoPadding(false)
  return Buffer.concat([decipher.update(encrypted), decipher.final()])
}

function notOurs(): DomainError {
  return new DomainError('ERR_NOT_AUTHENTICATED', 'the token was not made for a key of this keytab')
}
