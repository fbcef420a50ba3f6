/**
 * Numbers and texts of Hadoop's wire formats. A number from -112 to 127 is one byte; others are a byte that says sign and length,
 * then one to eight bytes, big-endian.
 * @see org.apache.hadoop.io.WritableUtils.writeVLong
 */
import { invalidInput } from '@keyhsm/core'

/** Collects the bytes of a format. */
export class FieldWriter {
  readonly #parts: Buffer[] = []

  byte(value: number): this {
    this.#parts.push(Buffer.from([value & 0xff]))
    return this
  }

  /** Whole numbers of at most 2^53. */
  long(value: number): this {
    if (value >= -112 && value <= 127) return this.byte(value)
    const magnitude = BigInt(value < 0 ? -value - 1 : value)
    const digits = magnitude.toString(16)
    const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex')
    this.byte((value < 0 ? -120 : -112) - bytes.length)
    this.#parts.push(bytes)
    return this
  }

  bytes(value: Uint8Array): this {
    this.long(value.length)
    this.#parts.push(Buffer.from(value))
    return this
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value))
  }

  end(): Buffer {
    return Buffer.concat(this.#parts)
  }
}

/** Takes a format apart. Every method throws ERR_INVALID_INPUT at the end of the bytes or for what cannot stand there. */
export class FieldReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  byte(): number {
    return this.#take(1).readInt8(0)
  }

  long(): number {
    const first = this.byte()
    if (first >= -112) return first
    const negative = first < -120
    const length = negative ? -(first + 120) : -(first + 112)
    const magnitude = BigInt(`0x${this.#take(length).toString('hex')}`)
    const value = Number(negative ? -magnitude - 1n : magnitude)
    if (!Number.isSafeInteger(value)) throw broken()
    return value
  }

  bytes(): Buffer {
    const length = this.long()
    if (length < 0) throw broken()
    return this.#take(length)
  }

  text(): string {
    const bytes = this.bytes()
    const text = bytes.toString('utf8')
    if (Buffer.byteLength(text) !== bytes.length) throw broken()
    return text
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw broken()
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw broken()
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }
}

function broken(): Error {
  return invalidInput('token', 'is not a delegation token')
}
