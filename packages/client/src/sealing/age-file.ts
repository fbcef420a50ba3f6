/**
 * Whole age files in memory, over node:crypto: what a deposit holds. Streams of any length and passphrases are the
 * business of the library (age-stream.ts), and both read each other's files.
 *
 * @see https://age-encryption.org/v1
 */
import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { formatCovered, parseAgeHeader, type Stanza } from './age-header.js'
import { decryptChaCha, encryptChaCha, tagBytes } from './chacha20-poly1305.js'
import { unpadded } from './unpadded.js'

export const fileKeyBytes = 16
const nonceBytes = 16
const chunkBytes = 64 * 1024
const none = Buffer.alloc(0)

/** Gives the stanzas that let readers have the file key. */
export type WrapFileKey = (fileKey: Buffer) => readonly Stanza[]
/** Finds the file key; undefined when no stanza is for this reader. */
export type UnwrapFileKey = (stanzas: readonly Stanza[]) => Buffer | undefined

/** An age file with `plain` for those whom `wrap` names. */
export function sealAgeFile(plain: Uint8Array, wrap: WrapFileKey): Buffer {
  const fileKey = randomBytes(fileKeyBytes)
  try {
    const covered = formatCovered(wrap(fileKey))
    const mac = Buffer.from(` ${unpadded.encode(macOf(fileKey, covered))}\n`)
    const nonce = randomBytes(nonceBytes)
    const key = derive(fileKey, nonce, 'payload')
    const chunks: Buffer[] = [covered, mac, nonce]
    for (let at = 0; at === 0 || at < plain.length; at += chunkBytes) {
      const isLast = at + chunkBytes >= plain.length
      const chunk = plain.subarray(at, at + chunkBytes)
      chunks.push(encryptChaCha(key, chunkNonce(at / chunkBytes, isLast), chunk))
    }
    key.fill(0)
    return Buffer.concat(chunks)
  } finally {
    fileKey.fill(0)
  }
}

/** The content, when every byte of the file is as it was written; else undefined. */
export function openAgeFile(file: Buffer, unwrap: UnwrapFileKey): Buffer | undefined {
  const header = parseAgeHeader(file)
  const fileKey = header && unwrap(header.stanzas)
  if (!fileKey) return undefined
  try {
    const mac = macOf(fileKey, header.covered)
    if (header.mac.length !== mac.length || !timingSafeEqual(header.mac, mac)) return undefined
    const payload = file.subarray(header.end + nonceBytes)
    const nonce = file.subarray(header.end, header.end + nonceBytes)
    return nonce.length === nonceBytes ? openChunks(fileKey, nonce, payload) : undefined
  } finally {
    fileKey.fill(0)
  }
}

function openChunks(fileKey: Buffer, nonce: Buffer, payload: Buffer): Buffer | undefined {
  const key = derive(fileKey, nonce, 'payload')
  const step = chunkBytes + tagBytes
  const plain: Buffer[] = []
  for (let at = 0; at === 0 || at < payload.length; at += step) {
    const isLast = at + step >= payload.length
    const sealed = payload.subarray(at, at + step)
    const chunk = decryptChaCha(key, chunkNonce(at / step, isLast), sealed)
    // A last chunk may be empty only when it is the only one: else one content would have two forms.
    if (!chunk || (chunk.length === 0 && at > 0)) return undefined
    plain.push(chunk)
  }
  key.fill(0)
  const [only] = plain
  return plain.length === 1 ? only : joined(plain)
}

function joined(chunks: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(chunks)
  for (const chunk of chunks) chunk.fill(0)
  return whole
}

/** Eleven bytes of counter and one that says whether it is the last. */
function chunkNonce(index: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 5, 6)
  nonce[11] = isLast ? 1 : 0
  return nonce
}

function macOf(fileKey: Buffer, covered: Buffer): Buffer {
  return createHmac('sha256', derive(fileKey, none, 'header'))
    .update(covered)
    .digest()
}

function derive(fileKey: Buffer, salt: Buffer, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', fileKey, salt, info, 32))
}
