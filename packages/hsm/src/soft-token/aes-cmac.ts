/** AES-CMAC on top of the block cipher of node:crypto, which has no CMAC of its own. @see RFC 4493 §2 */
import { createCipheriv, type KeyObject } from 'node:crypto'

const blockBytes = 16
/** The constant that reduces a doubled block. @see RFC 4493 §2.3 const_Rb */
const reduction = 0x87
const zeroBlock = Buffer.alloc(blockBytes)

/** The 16-byte MAC of `message` under an AES key of 16, 24 or 32 bytes. */
export function aesCmac(key: KeyObject, message: Buffer): Buffer {
  const bits = (key.symmetricKeySize ?? 0) * 8
  const zero = createCipheriv(`aes-${bits}-ecb`, key, null).update(zeroBlock)
  const first = doubled(zero)
  const whole = message.length > 0 && message.length % blockBytes === 0
  const masked = whole ? Buffer.from(message) : pad(message)
  xorInto(masked.subarray(masked.length - blockBytes), whole ? first : doubled(first))
  const cipher = createCipheriv(`aes-${bits}-cbc`, key, zeroBlock).setAutoPadding(false)
  return Buffer.from(cipher.update(masked).subarray(-blockBytes))
}

/** Multiplies a block by x in GF(2^128), without a branch on its bits. */
function doubled(block: Buffer): Buffer {
  const result = Buffer.alloc(blockBytes)
  for (let at = 0; at < blockBytes; at++) {
    result[at] = ((block[at] ?? 0) << 1) | ((block[at + 1] ?? 0) >> 7)
  }
  result[blockBytes - 1] = (result[blockBytes - 1] ?? 0) ^ (reduction * ((block[0] ?? 0) >> 7))
  return result
}

function pad(message: Buffer): Buffer {
  const padded = Buffer.alloc((Math.floor(message.length / blockBytes) + 1) * blockBytes)
  message.copy(padded)
  padded[message.length] = 0x80
  return padded
}

function xorInto(target: Buffer, mask: Buffer): void {
  for (let at = 0; at < target.length; at++) target[at] = (target[at] ?? 0) ^ (mask[at] ?? 0)
}
