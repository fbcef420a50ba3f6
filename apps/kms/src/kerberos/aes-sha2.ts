/**
 * The encryption types aes128-cts-hmac-sha256-128 and aes256-cts-hmac-sha384-192: the MAC is over IV and cipher text, and is checked before
 * anything is decrypted.
 * @see RFC 8009 §3 key derivation, §5 encryption
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { blockBytes, fromCts, toCts } from './cts.js'
import { notOurs } from './not-ours.js'

interface Sizes {
  readonly digest: 'sha256' | 'sha384'
  /** Of the MAC, and of the key it is made with. */
  readonly macBytes: number
}

/** Bytes of the base key → the rest. */
const sizesOf: Readonly<Record<number, Sizes>> = {
  16: { digest: 'sha256', macBytes: 16 },
  32: { digest: 'sha384', macBytes: 24 },
}
const kinds = { encryption: 0xaa, integrity: 0x55 } as const
const iv = Buffer.alloc(blockBytes)

/** @throws ERR_NOT_AUTHENTICATED when it was not encrypted with this key for this usage. */
export function decryptSha2(key: Buffer, usage: number, cipherText: Buffer): Buffer {
  const { macBytes } = sizes(key)
  if (cipherText.length < blockBytes + macBytes) throw notOurs()
  const encrypted = cipherText.subarray(0, -macBytes)
  if (!timingSafeEqual(macOf(key, usage, encrypted), cipherText.subarray(-macBytes)))
    throw notOurs()
  const plain = fromCts(derive(key, { usage, kind: 'encryption', bytes: key.length }), encrypted)
  return plain.subarray(blockBytes)
}

/** The reverse; `first` is a random block. */
export function encryptSha2(key: Buffer, usage: number, text: Buffer, first: Buffer): Buffer {
  const own = derive(key, { usage, kind: 'encryption', bytes: key.length })
  const encrypted = toCts(own, Buffer.concat([first, text]))
  return Buffer.concat([encrypted, macOf(key, usage, encrypted)])
}

function macOf(key: Buffer, usage: number, encrypted: Buffer): Buffer {
  const { digest, macBytes } = sizes(key)
  return createHmac(digest, derive(key, { usage, kind: 'integrity', bytes: macBytes }))
    .update(iv)
    .update(encrypted)
    .digest()
    .subarray(0, macBytes)
}

/** KDF-HMAC-SHA2(base key, usage ‖ kind, bits). */
function derive(
  key: Buffer,
  o: { readonly usage: number; readonly kind: keyof typeof kinds; readonly bytes: number },
): Buffer {
  const input = Buffer.alloc(14)
  input.writeUInt32BE(1, 0)
  input.writeUInt32BE(o.usage, 4)
  input.writeUInt8(kinds[o.kind], 8)
  // One zero byte ends the label.
  input.writeUInt32BE(o.bytes * 8, 10)
  return createHmac(sizes(key).digest, key).update(input).digest().subarray(0, o.bytes)
}

function sizes(key: Buffer): Sizes {
  const found = sizesOf[key.length]
  if (!found) throw notOurs()
  return found
}
