import { describe, expect, test } from 'vitest'
import { WriteGate } from '../../src/host/write-gate.js'

describe('exclusive', () => {
  test('a write waits until nothing runs, and lets nothing pass meanwhile', () => {
    const gate = new WriteGate('exclusive')
    gate.enter('use')
    expect(gate.admit('write')).toBe('drain')
    gate.leave('use')
    expect(gate.admit('write')).toBe('run')
  })

  test.each(['use', 'look', 'make', 'write'] as const)(
    'nothing of access %s starts during a write',
    (access) => {
      const gate = new WriteGate('exclusive')
      gate.enter('write')
      expect(gate.admit(access)).toBe('drain')
      gate.leave('write')
      expect(gate.admit(access)).toBe('run')
      expect(gate.idle).toBe(true)
    },
  )

  test('uses go on while a key is made; looks, other keys and writes wait', () => {
    const gate = new WriteGate('exclusive')
    gate.enter('use')
    expect(gate.admit('make')).toBe('run')
    gate.enter('make')
    expect([gate.admit('use'), gate.admit('look'), gate.admit('make')]).toEqual([
      'run',
      'skip',
      'skip',
    ])
    expect(gate.admit('write')).toBe('drain')
    gate.leave('use')
    gate.leave('make')
    expect([gate.idle, gate.admit('write')]).toEqual([true, 'run'])
  })

  test('a key waits for looks, which read what it would write', () => {
    const gate = new WriteGate('exclusive')
    gate.enter('look')
    expect([gate.admit('make'), gate.admit('use')]).toEqual(['skip', 'run'])
  })

  test('uses and looks run beside each other', () => {
    const gate = new WriteGate('exclusive')
    gate.enter('use')
    gate.enter('look')
    expect([gate.admit('use'), gate.admit('look')]).toEqual(['run', 'run'])
  })
})

test('serial: one write at a time, everything else beside it', () => {
  const gate = new WriteGate('serial')
  gate.enter('use')
  expect(gate.admit('write')).toBe('run')
  gate.enter('write')
  expect([gate.admit('write'), gate.admit('make')]).toEqual(['skip', 'skip'])
  expect([gate.admit('use'), gate.admit('look')]).toEqual(['run', 'run'])
})

test('concurrent: no rule', () => {
  const gate = new WriteGate('concurrent')
  for (const access of ['write', 'use', 'look', 'write'] as const) {
    expect(gate.admit(access)).toBe('run')
    gate.enter(access)
  }
})
