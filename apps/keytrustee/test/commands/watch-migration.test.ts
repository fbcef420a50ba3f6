import { expect, test } from 'vitest'
import { exitCodeOf, formatBar, speedOf } from '../../src/commands/watch-migration.js'

const migration = {
  uuid: '00000000-0000-4000-8000-000000000000',
  state: 'running',
  source: 'pass-through',
  target: 'default',
  total: 10_000,
  moved: 3_500,
  overtaken: 0,
  failed: 0,
  startedBy: 'root',
  startedAt: '2026-11-23T00:00:00.000Z',
  updatedAt: '2026-11-23T00:00:00.000Z',
} as const

test('a bar has the part that is done, the rate and the time left', () => {
  const before = { ...migration, moved: 3_380 }
  const speed = speedOf(before, migration, 1_000)
  expect(speed).toBe('120/s, 55 s left')
  expect(formatBar(migration, speed)).toBe(
    `[${'#'.repeat(11)}${'.'.repeat(19)}]  35 %  3500 of 10000, 120/s, 55 s left`,
  )
  expect(formatBar({ ...migration, total: 0, moved: 0 }, '')).toContain('100 %')
})

test.each([
  [{ state: 'moved', failed: 0 }, 0],
  [{ state: 'finished', failed: 0 }, 0],
  [{ state: 'moved', failed: 1 }, 1],
  [{ state: 'finished', failed: 1 }, 1],
  [{ state: 'paused', failed: 0 }, 1],
] as const)('%o: exit status %i', (how, status) => {
  expect(exitCodeOf(how)).toBe(status)
})
