import { DomainError } from '@keyhsm/core'
import type { CallOptions } from './hsm.js'

/** Throws when the caller has given up: asked before each step that cannot be undone. */
export type StillWanted = () => void

/**
 * Runs `work` within the caller's deadline and signal. When the caller gives up first, the result that comes later is
 * handed to `discard`.
 * @throws ERR_HSM_UNAVAILABLE when the deadline passed or the signal was aborted.
 */
export function withinLimits<Result>(
  options: CallOptions,
  work: (stillWanted: StillWanted) => Promise<Result>,
  discard: (late: Result) => void,
): Promise<Result> {
  const { signal, deadlineMs } = options
  if (signal?.aborted) return Promise.reject(givenUp('the call was aborted'))
  return new Promise((resolve, reject) => {
    let over: DomainError | undefined
    const giveUp = (detail: string) => {
      over = givenUp(detail)
      settle(() => reject(over))
    }
    const aborted = () => giveUp('the call was aborted')
    const timer =
      deadlineMs === undefined
        ? undefined
        : setTimeout(() => giveUp('the token did not answer in time'), Math.max(0, deadlineMs))
    const settle = (answer: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', aborted)
      answer()
    }
    signal?.addEventListener('abort', aborted, { once: true })
    const stillWanted = () => {
      if (over) throw over
    }
    work(stillWanted).then(
      (result) => (over ? discard(result) : settle(() => resolve(result))),
      (error: unknown) => settle(() => reject(error)),
    )
  })
}

function givenUp(detail: string): DomainError {
  return new DomainError('ERR_HSM_UNAVAILABLE', detail)
}
