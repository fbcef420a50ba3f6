/** One version of a zone key, opened: its material and its cipher, which is made when it is first needed. Both end together. */
import { SecretBytes } from '@keyhsm/core'
import { EekCipher } from './eek.js'

export class OpenedVersion {
  readonly #secret: SecretBytes
  readonly #cipher: string
  #eeks: EekCipher | undefined

  /** Takes ownership of `material`. @param cipher of the zone key, as Hadoop names it */
  constructor(material: Buffer, cipher: string) {
    this.#secret = SecretBytes.own(material)
    this.#cipher = cipher
  }

  /** Lends the material to `read`, which must not keep it. @throws Error after {@link wipe}. */
  expose<Result>(read: (material: Buffer) => Result): Result {
    return this.#secret.expose(read)
  }

  /** What wraps and unwraps under this version; not to be kept. @throws Error after {@link wipe}; ERR_INVALID_INPUT for an unknown cipher. */
  get eeks(): EekCipher {
    this.#eeks ??= this.expose((material) => new EekCipher(material, this.#cipher))
    return this.#eeks
  }

  /** Safe to call twice. */
  wipe(): void {
    this.#secret.wipe()
    this.#eeks?.close()
    this.#eeks = undefined
  }
}
