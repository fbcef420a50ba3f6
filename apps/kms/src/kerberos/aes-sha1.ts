/**
 * The encryption types aes128-cts-hmac-sha1-96 and aes256-cts-hmac-sha1-96: the MAC is over the plain text.
 * @see RFC 3961 §5.1 n-fold and key derivation, §5.3 the simplified profile; RFC 3962
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { blockBytes, encryptBlocks, fromCts, toCts } from './cts.js'
import { notOurs } from './not-ours.js'

const macBytes = 12

/** @throws ERR_NOT_AUTHENTICATED when it was not encrypted with this key for this usage. */
export function decryptSha1(key: Buffer, usage: number, cipherText: Buffer): Buffer {
  if (cipherText.length < blockBytes + macBytes) throw notOurs()
  const encrypted = cipherText.subarray(0, -macBytes)
  const plain = fromCts(derive(key, usage, 0xaa), encrypted)
  const mac = macOf(key, usage, plain)
  if (!timingSafeEqual(mac, cipherText.subarray(-macBytes))) throw notOurs()
  return plain.subarray(blockBytes)
}

/** The reverse; `first` is a random block. */
export function encryptSha1(key: Buffer, usage: number, text: Buffer, first: Buffer): Buffer {
  const plain = Buffer.concat([first, text])
  return Buffer.concat([toCts(derive(key, usage, 0xaa), plain), macOf(key, usage, plain)])
}

function macOf(key: Buffer, usage: number, plain: Buffer): Buffer {
  return createHmac('sha1', derive(key, usage, 0x55))
    .update(plain)
    .digest()
    .subarray(0, macBytes)
}

/** DK(base key, usage ‖ kind). @see RFC 3961 §5.1 */
export function derive(key: Buffer, usage: number, kind: number): Buffer {
  const constant = Buffer.alloc(5)
  constant.writeUInt32BE(usage, 0)
  constant.writeUInt8(kind, 4)
  return deriveKey(key, constant)
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
