/** Reading a keystore's bytes from the front, never past the end. */
import { broken } from './broken.js'
import { decodeModifiedUtf8 } from './modified-utf8.js'

export class ByteCursor {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** A view of the next bytes, not a copy. @throws ERR_INTEGRITY when there are not so many. */
  take(length: number): Buffer {
    if (length < 0 || length > this.left) throw broken('it ends too early')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  byte(): number {
    return this.take(1).readUInt8()
  }

  short(): number {
    return this.take(2).readUInt16BE()
  }

  int(): number {
    return this.take(4).readInt32BE()
  }

  long(): bigint {
    return this.take(8).readBigInt64BE()
  }

  /** As java.io.DataOutput.writeUTF wrote it. */
  utf(): string {
    return decodeModifiedUtf8(this.take(this.short()))
  }
}
