import { expect, test } from 'vitest'
import { HeadTelling } from '../../src/audit/tell-head.js'

function surroundings() {
  const told: unknown[] = []
  const warned: string[] = []
  const state = { sequence: 4, away: false }
  const telling = new HeadTelling({
    audit: {
      id: 'a'.repeat(16),
      head: () => ({ sequence: state.sequence, hash: String(state.sequence) }),
    },
    trustee: {
      recordHead: (head) => {
        if (state.away) return Promise.reject(new Error('away'))
        told.push(head)
        return Promise.resolve()
      },
    },
    log: { warn: (_, words) => void warned.push(words) },
  })
  return { telling, told, warned, state }
}

test('tells the head once, and again when something was written', async () => {
  const { telling, told, state } = surroundings()
  await telling.run()
  await telling.run()
  state.sequence = 6
  await telling.run()
  const log = 'a'.repeat(16)
  expect(told).toEqual([
    { log, sequence: 4, hash: '4' },
    { log, sequence: 6, hash: '6' },
  ])
})

test('a server that is away is told of once, and asked again', async () => {
  const { telling, told, warned, state } = surroundings()
  state.away = true
  await telling.run()
  await telling.run()
  expect(warned).toHaveLength(1)
  state.away = false
  await telling.run()
  expect(told).toHaveLength(1)
})
