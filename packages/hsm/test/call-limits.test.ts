import { DomainError } from '@keyhsm/core'
import { describe, expect, test, vi } from 'vitest'
import { withinLimits } from '../src/call-limits.js'

const unavailable = expect.objectContaining({ code: 'ERR_HSM_UNAVAILABLE' })
const nothing = () => undefined

describe('withinLimits', () => {
  test('passes the result and the error of the work on', async () => {
    await expect(withinLimits({}, () => Promise.resolve(7), nothing)).resolves.toBe(7)
    const error = new DomainError('ERR_NOT_FOUND', 'no')
    await expect(withinLimits({}, () => Promise.reject(error), nothing)).rejects.toBe(error)
  })

  test('does not begin after an abort', async () => {
    const work = vi.fn(() => Promise.resolve(7))
    const options = { signal: AbortSignal.abort() }
    await expect(withinLimits(options, work, nothing)).rejects.toEqual(unavailable)
    expect(work).not.toHaveBeenCalled()
  })

  test.each(['abort', 'deadline'])(
    'on %s rejects, stops the next step, discards what comes late',
    async (how) => {
      const controller = new AbortController()
      const options = how === 'abort' ? { signal: controller.signal } : { deadlineMs: 1 }
      const { promise: blocked, resolve: release } = deferred<string>()
      const discard = vi.fn()
      let stillWanted: () => void = nothing
      const work = (ask: () => void) => {
        stillWanted = ask
        return blocked
      }
      const call = withinLimits(options, work, discard)
      expect(() => stillWanted()).not.toThrow()
      controller.abort()
      await expect(call).rejects.toEqual(unavailable)
      expect(() => stillWanted()).toThrow(unavailable)
      release('late')
      await blocked
      expect(discard).toHaveBeenCalledExactlyOnceWith('late')
    },
  )

  test('swallows an error that comes late', async () => {
    const { promise: blocked, reject: fail } = deferred<never>()
    const call = withinLimits({ deadlineMs: 0 }, () => blocked, nothing)
    await expect(call).rejects.toEqual(unavailable)
    fail(new Error('late'))
    await expect(blocked).rejects.toThrow('late')
  })

  test('leaves no listener on a signal that lives longer', async () => {
    const { signal } = new AbortController()
    const removed = vi.spyOn(signal, 'removeEventListener')
    await withinLimits({ signal, deadlineMs: 1000 }, () => Promise.resolve(1), nothing)
    expect(removed).toHaveBeenCalled()
  })
})

function deferred<Value>() {
  let resolve: (value: Value) => void = nothing
  let reject: (reason: Error) => void = nothing
  const promise = new Promise<Value>((good, bad) => {
    resolve = good
    reject = bad
  })
  return { promise, resolve, reject }
}
