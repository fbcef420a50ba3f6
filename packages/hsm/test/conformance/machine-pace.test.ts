import { expect, test } from 'vitest'
import { slowness } from '../../src/conformance/machine-pace.js'

test.each([
  [0, 2, 1],
  [2, 2, 1],
  [6, 2, 3],
  [100, 2, 5],
])('with a load of %d on %d processors limits are %d times as long', (load, processors, times) => {
  expect(slowness(load, processors)).toBe(times)
})

test('of this machine: never shorter limits', () => {
  expect(slowness()).toBeGreaterThanOrEqual(1)
})
