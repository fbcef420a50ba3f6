import { type DomainError, SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { openGrants } from '../../src/grants.js'
import { createKeyHsmSealer } from '../../src/sealing/key-hsm-sealer.js'
import { createPassThroughSealer } from '../../src/sealing/pass-through.js'
import { createSealingState } from '../../src/sealing/sealing-state.js'
import { canary, KeyHsmDouble } from '../support/key-hsm-double.js'

const passThrough = createPassThroughSealer(openGrants(SecretBytes.random(32)))
const hsm = createKeyHsmSealer(new KeyHsmDouble(), { canary }, 'deposit')

function stateOf(passThroughAllowed: boolean, wasJoined: boolean, joined: boolean) {
  const state = createSealingState({ passThrough, passThroughAllowed, wasJoined })
  if (joined) state.join(hsm)
  return state
}

function outcome(work: () => { readonly sealing: string } | undefined): string {
  try {
    return work()?.sealing ?? 'nothing'
  } catch (error) {
    return (error as DomainError).code
  }
}

describe('createSealingState', () => {
  // allowed, database says joined, joined here → state, put, opens unsealed, opens sealed
  test.each([
    [false, false, false, 'none', 'ERR_NOT_JOINED', 'pass-through', 'ERR_NOT_JOINED'],
    [true, false, false, 'pass-through', 'pass-through', 'pass-through', 'ERR_NOT_JOINED'],
    [true, true, false, 'none', 'ERR_NOT_JOINED', 'nothing', 'ERR_NOT_JOINED'],
    [false, true, false, 'none', 'ERR_NOT_JOINED', 'nothing', 'ERR_NOT_JOINED'],
    [true, false, true, 'hsm', 'hsm', 'nothing', 'hsm'],
    [true, true, true, 'hsm', 'hsm', 'nothing', 'hsm'],
    [false, true, true, 'hsm', 'hsm', 'nothing', 'hsm'],
  ] as const)('allowed %s, database joined %s, joined %s: %s', (...row) => {
    const [allowed, wasJoined, joined, name, put, unsealed, sealed] = row
    const state = stateOf(allowed, wasJoined, joined)
    expect([
      state.state,
      outcome(() => state.forPut()),
      outcome(() => state.forRetrieval('pass-through')),
      outcome(() => state.forRetrieval('hsm')),
    ]).toEqual([name, put, unsealed, sealed])
  })

  test('nothing passes through while the server is being joined', () => {
    const state = stateOf(true, false, false)
    const release = state.holdPassThrough()
    expect(outcome(() => state.forPut())).toBe('ERR_BUSY')
    release()
    expect(outcome(() => state.forPut())).toBe('pass-through')
  })

  test('joining again does not hold up what is sealed', () => {
    const state = stateOf(true, true, true)
    state.holdPassThrough()
    expect(outcome(() => state.forPut())).toBe('hsm')
  })
})
