/**
 * Secret bytes as a type of their own: they do not print, do not serialise, and are wiped when their owner is done.
 * Every reader goes through {@link SecretBytes.expose}, so that all of them can be found by one search.
 */
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

/** Bytes that only {@link SecretBytes.expose} shows. Made by `own` or `random`, ended by `wipe`. */
export class SecretBytes {
  #bytes: Buffer
  #wiped = false

  private constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Takes ownership of `bytes`: the caller must not use them again. */
  static own(bytes: Uint8Array): SecretBytes {
    return new SecretBytes(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** `length` fresh bytes of the operating system's CSPRNG. */
  static random(length: number): SecretBytes {
    return new SecretBytes(randomBytes(length))
  }

  get length(): number {
    return this.#bytes.length
  }

  /**
   * Lends the bytes to `read` for the duration of the call; `read` must not keep them.
   * @throws Error after {@link wipe}: using a wiped secret is a programming mistake.
   */
  expose<Result>(read: (bytes: Buffer) => Result): Result {
    if (this.#wiped) throw new Error('secret was wiped')
    return read(this.#bytes)
  }

  /** Overwrites the bytes with zeros. Safe to call twice. */
  wipe(): void {
    this.#bytes.fill(0)
    this.#wiped = true
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspect.custom](): string {
    return '[secret]'
  }
}

/** Lends `secret` to `use` and wipes it afterwards, also when `use` fails. */
export async function withSecret<Result>(
  secret: SecretBytes,
  use: (secret: SecretBytes) => Promise<Result> | Result,
): Promise<Result> {
  try {
    return await use(secret)
  } finally {
    secret.wipe()
  }
}
