/** Bytes that have arrived and are not read yet. Appending one byte at a time costs no more than appending all at once. */

const firstCapacity = 1024

export class ByteQueue {
  #bytes = Buffer.alloc(firstCapacity)
  #start = 0
  #end = 0

  get length(): number {
    return this.#end - this.#start
  }

  append(chunk: Buffer): void {
    this.#makeRoom(chunk.length)
    chunk.copy(this.#bytes, this.#end)
    this.#end += chunk.length
  }

  /** The byte at `index` from the front; undefined when it has not arrived. */
  at(index: number): number | undefined {
    return index < this.length ? this.#bytes[this.#start + index] : undefined
  }

  /** Position of the first `byte` at or after `from`; -1 when it has not arrived. */
  indexOf(byte: number, from: number): number {
    const found = this.#bytes.subarray(this.#start + from, this.#end).indexOf(byte)
    return found < 0 ? -1 : from + found
  }

  /** Removes `count` bytes from the front and returns a copy of them. There must be as many. */
  take(count: number): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(this.#start, this.#start + count))
    this.drop(count)
    return taken
  }

  /** Removes `count` bytes from the front and overwrites them: they may have been key material. */
  drop(count: number): void {
    this.#bytes.fill(0, this.#start, this.#start + count)
    this.#start += count
    if (this.#start === this.#end) {
      this.#start = 0
      this.#end = 0
    }
  }

  #makeRoom(count: number): void {
    if (this.#end + count <= this.#bytes.length) return
    const needed = this.length + count
    const old = this.#bytes
    const target = needed * 2 > old.length ? Buffer.alloc(needed * 2) : old
    old.copy(target, 0, this.#start, this.#end)
    if (target === old) target.fill(0, this.length, this.#end)
    else old.fill(0)
    this.#end = this.length
    this.#start = 0
    this.#bytes = target
  }
}
