/** First size: a header under RSA-2048 with its context, without trustees. */
const usualBytes = 640

/**
 * Writes a fixed layout field by field, into one buffer that grows. Lengths are checked by the caller's types and by the
 * ranges here. Nothing secret: what was outgrown is not wiped.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(usualBytes)
  #length = 0

  bytes(value: Uint8Array): this {
    const at = this.#take(value.length)
    this.#buffer.set(value, at)
    return this
  }

  /** @throws RangeError when the value does not fit; a programming mistake, the values are checked before. */
  uint8(value: number): this {
    const at = this.#take(1)
    this.#buffer.writeUInt8(value, at)
    return this
  }

  uint16(value: number): this {
    const at = this.#take(2)
    this.#buffer.writeUInt16BE(value, at)
    return this
  }

  uint32(value: number): this {
    const at = this.#take(4)
    this.#buffer.writeUInt32BE(value, at)
    return this
  }

  /** Pairs of hex digits as bytes, `length` of them. @throws RangeError when there are fewer or more */
  hex(digits: string, length: number): this {
    const at = this.#take(length)
    const written = this.#buffer.write(digits, at, length, 'hex')
    if (written !== length || digits.length !== 2 * length)
      throw new RangeError(`${length} bytes in hex are asked for`)
    return this
  }

  /** One length byte, then the ASCII text. */
  shortText(value: string): this {
    this.uint8(value.length)
    const at = this.#take(value.length)
    this.#buffer.write(value, at, 'latin1')
    return this
  }

  /** A copy of what was written. */
  toBuffer(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  /** Where the next `length` bytes go. */
  #take(length: number): number {
    const at = this.#length
    this.#length += length
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#buffer.length))
      this.#buffer.copy(larger, 0, 0, at)
      this.#buffer = larger
    }
    return at
  }
}
