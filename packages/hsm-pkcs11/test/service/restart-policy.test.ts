import { expect, test } from 'vitest'
import { RestartPolicy } from '../../src/service/restart-policy.js'

test('restarts at once after a long life, however often', () => {
  const policy = new RestartPolicy()
  const pauses = [1, 2, 3, 4, 5].map((round) => policy.pauseAfter(round * 10_000, 9_000))
  expect(pauses).toEqual([0, 0, 0, 0, 0])
})

test('waits longer with each short life in a row, to a limit', () => {
  const policy = new RestartPolicy()
  const pauses = Array.from({ length: 11 }, (_, round) => policy.pauseAfter(round * 60_000, 10))
  expect(pauses).toEqual([0, 100, 250, 500, 1000, 2000, 5000, 10_000, 30_000, 30_000, 30_000])
  expect(policy.pauseAfter(1e9, 5_000)).toBe(0)
})

test('opens a breaker after many deaths in a minute, even of hosts that were well', () => {
  const policy = new RestartPolicy()
  const pauses = Array.from({ length: 22 }, (_, round) => policy.pauseAfter(round * 2_500, 2_100))
  expect(pauses.slice(0, 20)).toEqual(Array.from({ length: 20 }, () => 0))
  expect(pauses.slice(20)).toEqual([10_000, 10_000])
})
