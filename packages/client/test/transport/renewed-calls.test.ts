import { expect, onTestFinished, test, vi } from 'vitest'
import { RenewedCalls } from '../../src/transport/renewed-calls.js'
import type { Calls } from '../../src/transport/servers.js'

function fakeCalls(name: string, ends: string[]): Calls {
  return {
    peer: name,
    call: () => Promise.resolve(name as never),
    close: async () => void ends.push(`close ${name}`),
    destroy: async () => void ends.push(`destroy ${name}`),
  }
}

test('calls begin over the new connections at once; the old ones end after the longest request, or with everything', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const ends: string[] = []
  const calls = new RenewedCalls(fakeCalls('first', ends))
  const ask = () => calls.call({} as never)
  expect(await ask()).toBe('first')
  calls.use(fakeCalls('second', ends))
  expect([await ask(), calls.peer]).toEqual(['second', 'second'])
  expect(ends).toEqual([])
  await vi.advanceTimersByTimeAsync(121_000)
  expect(ends).toEqual(['close first'])
  calls.use(fakeCalls('third', ends))
  await calls.destroy()
  expect(ends).toEqual(['close first', 'destroy second', 'destroy third'])
})
