/** Strict base64: what does not encode back to itself is refused, so that one value has one spelling. */
import { invalidInput } from '@keyhsm/core'

/** With padding, RFC 4648 §4. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** @throws ERR_INVALID_INPUT naming `field`. */
export function decodeBase64(text: string, field: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  // Nearly what was meant, and nobody else knows of it.
  bytes.fill(0)
  throw invalidInput(field, 'must be base64 with padding')
}
