import type { Cryptoki } from '../cryptoki.js'
import { CryptokiError, decodeFailure } from '../return-codes.js'

/**
 * One call of the library. A failure becomes a CryptokiError that knows the call's name, because what a number means
 * can depend on it.
 */
export function ask<Name extends keyof Cryptoki>(
  cryptoki: Cryptoki,
  name: Name,
  ...args: Parameters<Cryptoki[Name]>
): ReturnType<Cryptoki[Name]> {
  try {
    const call = cryptoki[name] as (...args: unknown[]) => ReturnType<Cryptoki[Name]>
    return call.apply(cryptoki, args)
  } catch (thrown) {
    const failure = decodeFailure(thrown, name)
    throw failure ? new CryptokiError(failure) : thrown
  }
}
