/** Base64 without padding, in its one canonical form: what age writes. @see RFC 4648 §4, https://age-encryption.org/v1 */
export const unpadded = {
  encode(bytes: Uint8Array): string {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
    return text.replace(/=+$/, '')
  },

  /** Undefined for any other text, so that no two texts mean the same bytes. */
  decode(text: string): Buffer | undefined {
    const bytes = Buffer.from(text, 'base64')
    return unpadded.encode(bytes) === text ? bytes : undefined
  },
}
