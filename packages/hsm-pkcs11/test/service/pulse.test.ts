import { spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Pulse } from '../../src/service/pulse.js'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

function watch(pid?: number) {
  const events = { ask: vi.fn(), onLost: vi.fn() }
  return { pulse: new Pulse(pid, events), ...events }
}

test('asks every turn and is content with any answer', () => {
  const { pulse, ask, onLost } = watch()
  for (let turn = 0; turn < 50; turn += 1) {
    vi.advanceTimersByTime(200)
    pulse.beat()
  }
  expect(ask).toHaveBeenCalledTimes(50)
  expect(onLost).not.toHaveBeenCalled()
  pulse.stop()
})

test('gives up once after 3 s of silence', () => {
  const { onLost } = watch()
  vi.advanceTimersByTime(2800)
  expect(onLost).not.toHaveBeenCalled()
  vi.advanceTimersByTime(200)
  expect(onLost).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(10_000)
  expect(onLost).toHaveBeenCalledTimes(1)
})

test('a pause of this process costs one turn, not many', () => {
  const { pulse, onLost } = watch()
  vi.setSystemTime(Date.now() + 60_000)
  vi.advanceTimersByTime(200)
  expect(onLost).not.toHaveBeenCalled()
  pulse.stop()
})

test('a process that the kernel calls stopped is given up after 600 ms', async () => {
  vi.useRealTimers()
  const child = spawn('sleep', ['60'])
  child.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, 100))
  vi.useFakeTimers()
  const { onLost } = watch(child.pid)
  vi.advanceTimersByTime(400)
  expect(onLost).not.toHaveBeenCalled()
  vi.advanceTimersByTime(200)
  expect(onLost).toHaveBeenCalledTimes(1)
  child.kill('SIGKILL')
})
