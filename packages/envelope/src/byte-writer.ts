/** Writes a fixed layout field by field. Lengths are checked by the caller's types and by the ranges here. */
export class ByteWriter {
  readonly #parts: Buffer[] = []

  bytes(value: Uint8Array): this {
    this.#parts.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength))
    return this
  }

  /** @throws RangeError when the value does not fit; a programming mistake, the values are checked before. */
  uint8(value: number): this {
    const bytes = Buffer.alloc(1)
    bytes.writeUInt8(value)
    return this.bytes(bytes)
  }

  uint16(value: number): this {
    const bytes = Buffer.alloc(2)
    bytes.writeUInt16BE(value)
    return this.bytes(bytes)
  }

  uint32(value: number): this {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(value)
    return this.bytes(bytes)
  }

  /** One length byte, then the ASCII text. */
  shortText(value: string): this {
    const bytes = Buffer.from(value, 'ascii')
    return this.uint8(bytes.length).bytes(bytes)
  }

  toBuffer(): Buffer {
    return Buffer.concat(this.#parts)
  }
}
