/** Changes inputs at random, the same way for the same seed. */

const numbers = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff]
const maxBytes = 4096

export class Mutator {
  #state
  #words

  /** @param {number} seed @param {string[]} words that mean something to the parser */
  constructor(seed, words = []) {
    this.#state = (seed * 2 + 1) >>> 0
    this.#words = words.map((word) => Buffer.from(word))
  }

  /** A changed copy of some input of the corpus. */
  change(corpus) {
    let bytes = Buffer.from(this.#pick(corpus))
    for (let times = 1 + this.#below(4); times > 0; times -= 1)
      bytes = this.#pick(this.#changes)(bytes, corpus)
    return bytes.subarray(0, maxBytes)
  }

  /** Marsaglia's xorshift: good enough to choose, and the same everywhere. */
  #below(limit) {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % Math.max(1, limit)
  }

  #pick(list) {
    return list[this.#below(list.length)]
  }

  #insert(bytes, more) {
    const at = this.#below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)])
  }

  #number(length) {
    const bytes = Buffer.alloc(length)
    bytes.writeUIntBE(this.#pick(numbers) % 2 ** (8 * length), 0, length)
    return bytes
  }

  #changes = [
    (bytes) => this.#set(bytes, (byte) => byte ^ (1 << this.#below(8))),
    (bytes) => this.#set(bytes, () => this.#below(256)),
    (bytes) => this.#set(bytes, (byte) => (byte + this.#below(35) - 17) & 0xff),
    (bytes) => this.#insert(bytes, Buffer.from([this.#below(256)])),
    (bytes) => this.#insert(bytes, this.#pick(this.#words) ?? this.#number(4)),
    (bytes) => this.#overwrite(bytes, this.#number(this.#pick([1, 2, 4]))),
    (bytes) => this.#overwrite(bytes, this.#pick(this.#words) ?? this.#number(2)),
    (bytes) => this.#cut(bytes),
    (bytes) => this.#insert(bytes, this.#part(bytes)),
    (bytes) => bytes.subarray(0, this.#below(bytes.length + 1)),
    (bytes, corpus) => this.#insert(bytes, this.#part(this.#pick(corpus))),
  ]

  #set(bytes, change) {
    if (bytes.length === 0) return bytes
    const at = this.#below(bytes.length)
    bytes[at] = change(bytes[at])
    return bytes
  }

  #overwrite(bytes, more) {
    const at = this.#below(bytes.length)
    return Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at + more.length)])
  }

  #part(bytes) {
    const from = this.#below(bytes.length + 1)
    return bytes.subarray(from, from + this.#below(64))
  }

  #cut(bytes) {
    const from = this.#below(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + 1 + this.#below(16))])
  }
}
