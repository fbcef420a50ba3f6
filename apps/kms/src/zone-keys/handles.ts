/** Handles of what a KMS deposits. Hadoop names may hold anything, handles only letters, digits, `.`, `_` and `-`. */
import { createHash, randomBytes } from 'node:crypto'
import { type Handle, parseHandle } from '@keyhsm/core'

/** What every handle of a description begins with. */
export const keyPrefix = 'kms.k.'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** RFC 4648 §6 in lower case, without padding. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let value = 0
  for (const byte of bytes) {
    value = (value << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(value >>> (bits - 5)) & 31]
    value &= 0xff
  }
  return bits === 0 ? text : text + alphabet[(value << (5 - bits)) & 31]
}

/** Names asked for again and again: every request of a client begins with one. */
const known = new Map<string, Handle>()
const mostKnown = 1_000

/** Of the description: a digest of the name, because names may be longer than handles. The name itself is in the content. */
export function keyHandle(name: string): Handle {
  const found = known.get(name)
  if (found !== undefined) return found
  if (known.size >= mostKnown) known.clear()
  const handle = digestHandle(name)
  known.set(name, handle)
  return handle
}

function digestHandle(name: string): Handle {
  const digest = createHash('sha256').update('keytrustee-kms key\n').update(name).digest()
  return parseHandle(keyPrefix + toBase32(digest))
}

/** Of a version: by the key's uid, so that a deleted key's versions never stand in the way of a new key of its name. */
export function versionHandle(uid: string, index: number): Handle {
  return parseHandle(`kms.v.${uid}.${index}`)
}

/** 128 random bits. */
export function newUid(): string {
  return toBase32(randomBytes(16))
}
