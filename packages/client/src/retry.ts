/** Repeating what may be repeated: reads, and writes that carry a request id. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DomainError, errorTraits } from '@keyhsm/core'

export interface RetryPolicy {
  /** Tries in all, the first included. */
  readonly attempts: number
  /** Pause before the second try; doubled each time. The server's own wish (Retry-After) is longer or it is ignored. */
  readonly pauseMs: number
  /** A server that wants a longer pause than this is not asked again. */
  readonly maxPauseMs: number
}

/** For commands: long enough for a Key HSM to bring its HSM connection back (3 s), short enough to wait for. */
export const patient: RetryPolicy = { attempts: 5, pauseMs: 250, maxPauseMs: 5_000 }
/** One try. */
export const noRetry: RetryPolicy = { attempts: 1, pauseMs: 0, maxPauseMs: 0 }

/** Runs `call` until it succeeds, fails for good, or the policy is used up; then the last error is thrown. */
export async function withRetry<Result>(
  policy: RetryPolicy,
  call: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call()
    } catch (error) {
      const pauseMs = pauseBefore(error, attempt, policy)
      if (pauseMs === undefined || signal?.aborted === true) throw error
      await sleep(pauseMs, undefined, { signal }).catch(() => {
        throw error
      })
    }
  }
}

/** Pause before the next try, undefined when there is none. */
function pauseBefore(error: unknown, attempt: number, policy: RetryPolicy): number | undefined {
  if (!(error instanceof DomainError) || !errorTraits[error.code].retry) return undefined
  if (attempt >= policy.attempts) return undefined
  const pauseMs = Math.max(policy.pauseMs * 2 ** (attempt - 1), error.retryAfterMs ?? 0)
  // Spread over 20 %, so that clients which failed together do not come back together.
  return pauseMs > policy.maxPauseMs ? undefined : pauseMs * (0.9 + Math.random() * 0.2)
}
