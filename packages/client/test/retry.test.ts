import { DomainError } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { withRetry } from '../src/retry.js'

const policy = { attempts: 4, pauseMs: 1, maxPauseMs: 20 }

/** Fails with `errors`, one a call, then succeeds. */
function failingWith(...errors: Error[]) {
  let calls = 0
  const call = async () => {
    const error = errors[calls]
    calls += 1
    if (error !== undefined) throw error
    return calls
  }
  return { call, calls: () => calls }
}

const unavailable = new DomainError('ERR_UNAVAILABLE', 'down')

describe('withRetry', () => {
  it('repeats what may pass, as often as the policy says', async () => {
    expect(await withRetry(policy, failingWith(unavailable, unavailable).call)).toBe(3)
    const hopeless = failingWith(...Array.from({ length: 9 }, () => unavailable))
    await expect(withRetry(policy, hopeless.call)).rejects.toBe(unavailable)
    expect(hopeless.calls()).toBe(4)
  })

  it.each([
    ['a refusal', new DomainError('ERR_NOT_FOUND', 'no')],
    ['a bug', new TypeError('oops')],
    [
      'a server that wants more patience',
      new DomainError('ERR_QUOTA', 'q', { retryAfterMs: 60_000 }),
    ],
  ])('does not repeat %s', async (_, error) => {
    const once = failingWith(error)
    await expect(withRetry(policy, once.call)).rejects.toBe(error)
    expect(once.calls()).toBe(1)
  })

  it('waits as long as the server wishes', async () => {
    const started = performance.now()
    const error = new DomainError('ERR_BUSY', 'busy', { retryAfterMs: 15 })
    await withRetry(policy, failingWith(error).call)
    expect(performance.now() - started).toBeGreaterThan(12)
  })

  it('ends with the last error when the caller gives up', async () => {
    const slow = { attempts: 9, pauseMs: 10_000, maxPauseMs: 10_000 }
    const call = withRetry(slow, failingWith(unavailable).call, AbortSignal.timeout(20))
    await expect(call).rejects.toBe(unavailable)
  })
})
