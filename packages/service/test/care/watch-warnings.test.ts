import { expect, it, onTestFinished, vi } from 'vitest'
import { watchWarnings } from '../../src/care/watch-warnings.js'

const dayMs = 86_400_000

it('says a warning once for as long as it lasts, and again when it comes back', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const lines: string[] = []
  const log = { warn: (_: unknown, line: string) => void lines.push(line), debug() {} }
  const end = new Date(Date.now() + 100 * dayMs)
  let day = 0
  const care = {
    clock: { now: () => new Date(end.getTime() - (100 - day) * dayMs) },
    certificates: () => [{ id: 'a', what: 'it', expiresAt: end, cure: 'renew', effect: 'x' }],
    folders: () => [],
  }
  const stop = watchWarnings(care, log, 1000)
  for (day of [30, 41, 42, 71, 80, 94, 101, 30, 41]) await vi.advanceTimersByTimeAsync(1000)
  stop()
  day = 94
  await vi.advanceTimersByTimeAsync(5000)
  expect(lines.map((line) => /in (\d+) days|(expired)/.exec(line)?.slice(1).join(''))).toEqual([
    '59',
    '29',
    '6',
    'expired',
    '59',
  ])
})
