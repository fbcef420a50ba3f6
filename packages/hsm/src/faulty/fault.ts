/** The parts that the faults are made of. */
import { type DomainError, type ErrorCode, hasCode, SecretBytes } from '@keyhsm/core'
import type { Hsm, WrappedKey } from '../hsm.js'
import type { ProvingHsm } from '../wrap-proved.js'

/** What a fault changes in a good connection; everything else is passed on. One call is one connection. */
export type Fault = (good: Hsm, pin: string) => Partial<Hsm & ProvingHsm>

/** The result of `call`, or what `instead` makes of an error with this code. */
export async function onError<Result>(
  call: Promise<Result>,
  code: ErrorCode,
  instead: (error: DomainError) => Promise<Result> | Result,
): Promise<Result> {
  try {
    return await call
  } catch (error) {
    if (hasCode(error, code)) return instead(error)
    throw error
  }
}

/** Remembers what was wrapped, so that a fault can answer what a correct device cannot. */
export class WrapMemory {
  readonly #entries: { readonly bytes: Buffer; readonly contentKey: Buffer }[] = []

  /** `wrapKey` of `good`, remembered. */
  wrapKey(good: Hsm): Hsm['wrapKey'] {
    return async (id, contentKey, binding, options) => {
      const copy = contentKey.expose((bytes) => Buffer.from(bytes))
      const wrapped = await good.wrapKey(id, contentKey, binding, options)
      this.#entries.push({ bytes: wrapped.bytes, contentKey: copy })
      return wrapped
    }
  }

  /** The content key of the first remembered wrap that `matches`. */
  recall(matches: (bytes: Buffer) => boolean): SecretBytes | undefined {
    const entry = this.#entries.find(({ bytes }) => matches(bytes))
    return entry && SecretBytes.own(Buffer.from(entry.contentKey))
  }

  /** The content key that these very bytes hold. */
  recallExact(wrapped: WrappedKey): SecretBytes | undefined {
    return this.recall((bytes) => bytes.equals(wrapped.bytes))
  }
}
