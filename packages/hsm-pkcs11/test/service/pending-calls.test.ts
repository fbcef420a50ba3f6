import { DomainError } from '@keyhsm/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { PendingCalls } from '../../src/service/pending-calls.js'
import { toWireError } from '../../src/wire-error.js'

const onCancel = vi.fn()
let calls: PendingCalls

beforeEach(() => {
  vi.useFakeTimers()
  onCancel.mockClear()
  calls = new PendingCalls(onCancel)
})

afterEach(() => vi.useRealTimers())

async function codeOf(answer: Promise<unknown>): Promise<unknown> {
  return await answer.then(
    (value) => value,
    (error: DomainError) => error.code,
  )
}

test('settles each call with its own answer', async () => {
  const [one, two] = [calls.open('unwrap', 100, {}), calls.open('find', 100, {})]
  calls.answer([two.number, false, toWireError(new DomainError('ERR_CONFLICT', 'two'))])
  calls.answer([one.number, true, 'one'])
  expect(await codeOf(one.answer)).toBe('one')
  expect(await codeOf(two.answer)).toBe('ERR_CONFLICT')
})

test('a call that the host does not answer is unavailable a little after its deadline', async () => {
  const { number, answer } = calls.open('unwrap', 100, {})
  const code = codeOf(answer)
  vi.advanceTimersByTime(350)
  expect(await code).toBe('ERR_HSM_UNAVAILABLE')
  expect(onCancel).toHaveBeenCalledWith(number)
})

test('an aborted call is cancelled, and its late result wiped', async () => {
  const controller = new AbortController()
  const { number, answer } = calls.open('unwrap', 100, { signal: controller.signal })
  const code = codeOf(answer)
  controller.abort()
  expect(await code).toBe('ERR_HSM_UNAVAILABLE')
  expect(onCancel).toHaveBeenCalledWith(number)
  const secret = Buffer.from('secret')
  calls.answer([number, true, secret])
  expect([...secret]).toEqual([0, 0, 0, 0, 0, 0])
})

test('too many calls are busy, and there is room again afterwards', async () => {
  const opened = Array.from({ length: 8 }, () => calls.open('list', 100, {}))
  const failed = Promise.allSettled(opened.map(({ answer }) => answer))
  expect(() => calls.open('list', 100, {})).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
  calls.answer([opened[0]?.number ?? 0, true, []])
  const { answer } = calls.open('list', 100, {})
  const others = Array.from({ length: 1016 }, () => calls.open('unwrap', 100, {}).answer)
  expect(() => calls.open('unwrap', 100, {})).toThrow(expect.objectContaining({ code: 'ERR_BUSY' }))
  const all = Promise.allSettled([answer, ...others])
  calls.failAll(new DomainError('ERR_HSM_UNAVAILABLE', 'gone'))
  for (const { status } of await all) expect(status).toBe('rejected')
  await failed
})
