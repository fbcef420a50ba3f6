/** AES in CBC mode with ciphertext stealing and an IV of zeros, as every AES type of Kerberos uses it. @see RFC 3962 §5, RFC 8009 §5 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { notOurs } from './not-ours.js'

export const blockBytes = 16

function cipherName(key: Buffer): string {
  return `aes-${key.length * 8}-cbc`
}

/** Whole blocks only. */
export function encryptBlocks(key: Buffer, plain: Buffer): Buffer {
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
