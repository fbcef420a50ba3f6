/** How a device that is busy is asked again: after 50, 100, 200, 400 and 800 ms, jittered. */
import { CryptokiError, classifyFailure, failureTraits } from '../return-codes.js'
import type { Pkcs11Profile } from '../profile.js'

/** Repeats after the first attempt. */
export const maxRepeats = 5
const firstPauseMs = 50

/** Waits before repeat number `attempt`, counted from 0. */
export function pauseBefore(attempt: number): Promise<void> {
  const pauseMs = firstPauseMs * 2 ** attempt * (0.5 + Math.random())
  return new Promise((resolve) => setTimeout(resolve, pauseMs))
}

/** Runs a call of the library that may be repeated, again while its answer means busy. @throws what it throws last */
export async function unlessBusy<Result>(
  { returnCodes }: Pkcs11Profile,
  run: () => Result,
): Promise<Result> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return run()
    } catch (error) {
      const failure = error instanceof CryptokiError ? error.failure : undefined
      const repeat = failure && failureTraits[classifyFailure(failure, returnCodes)].repeat
      if (!repeat || attempt === maxRepeats) throw error
    }
    await pauseBefore(attempt)
  }
}
