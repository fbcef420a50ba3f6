/**
 * Java's own UTF-8: NUL takes two bytes, and what lies outside the basic plane is two surrogates of three bytes each.
 * @see Java Object Serialization Specification §6, java.io.DataInput "Modified UTF-8"
 */
import { broken } from './broken.js'

/** @throws ERR_INTEGRITY for what Java would not have written. */
export function decodeModifiedUtf8(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const { unit, length } = readUnit(bytes, at)
    text += String.fromCharCode(unit)
    at += length
  }
  return text
}

export function encodeModifiedUtf8(text: string): Buffer {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i)
    if (unit > 0 && unit < 0x80) bytes.push(unit)
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 0x3f))
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f))
  }
  return Buffer.from(bytes)
}

function readUnit(bytes: Buffer, at: number): { readonly unit: number; readonly length: number } {
  const first = bytes[at] ?? 0
  if (first < 0x80) return { unit: first, length: 1 }
  if (first >> 5 === 0b110)
    return { unit: ((first & 0x1f) << 6) | tailOf(bytes, at + 1), length: 2 }
  if (first >> 4 !== 0b1110) throw broken('a text is not in Java’s UTF-8')
  const unit = ((first & 0x0f) << 12) | (tailOf(bytes, at + 1) << 6) | tailOf(bytes, at + 2)
  return { unit, length: 3 }
}

function tailOf(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === undefined || byte >> 6 !== 0b10) throw broken('a text is not in Java’s UTF-8')
  return byte & 0x3f
}
