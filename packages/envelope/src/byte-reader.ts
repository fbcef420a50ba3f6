/** Reads a fixed layout field by field; the first field that does not fit is ERR_INTEGRITY, so damaged bytes never reach cryptography unbounded. */
import { DomainError } from '@keyhsm/core'

/** The one error of every malformed stored byte string; the rule goes to the log as the cause, never to a caller. */
export function malformed(rule: string): DomainError {
  return new DomainError('ERR_INTEGRITY', 'the sealed bytes are not intact', {
    cause: new Error(rule),
  })
}

/** A place in stored bytes that only moves forward. */
export class ByteReader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get offset(): number {
    return this.#offset
  }

  /** The next `length` bytes, as a view of the input. @throws ERR_INTEGRITY when fewer are left. */
  bytes(length: number, field: string): Buffer {
    const end = this.#offset + length
    if (end > this.#bytes.length) throw malformed(`${field} is cut short`)
    const view = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return view
  }

  uint8(field: string): number {
    return this.bytes(1, field).readUInt8()
  }

  uint16(field: string): number {
    return this.bytes(2, field).readUInt16BE()
  }

  uint32(field: string): number {
    return this.bytes(4, field).readUInt32BE()
  }

  /** @throws ERR_INTEGRITY when bytes are left over: one value has one spelling. */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw malformed('bytes follow the end')
  }
}
