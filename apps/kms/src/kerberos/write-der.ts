/** Writing DER; `der.ts` reads it. */
import { tags } from './der.js'

export function writeDer(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag]), writeLength(content.length), content])
}

/** Context tag around a value. */
export function writeField(number: number, value: Buffer): Buffer {
  return writeDer(0xa0 | number, value)
}

export function writeInteger(value: number, tag: number = tags.integer): Buffer {
  const digits = value.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  // A first bit that is set would make it negative.
  return writeDer(tag, (bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

function writeLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length])
  const digits = length.toString(16)
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes])
}
