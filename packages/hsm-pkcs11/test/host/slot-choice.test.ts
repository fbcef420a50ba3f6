import { describe, expect, test } from 'vitest'
import { chooseSlot, slotNumber } from '../../src/host/slot-choice.js'
import type { TokenChoice } from '../../src/messages.js'
import { FakeCryptoki } from '../support/fake-cryptoki.js'

const tokens = [
  { label: 'prod', serial: '1111', slot: 3 },
  { label: 'twin', serial: '2222', slot: 5 },
  { label: 'twin', serial: '3333', slot: 7 },
  { label: 'blank', serial: '4444', slot: 9, flags: 0 },
]

function choose(choice: TokenChoice): number {
  return slotNumber(chooseSlot(new FakeCryptoki({ tokens }).cryptoki, choice, '/lib.so').slot)
}

test.each([
  [{ label: 'prod' }, 3],
  [{ serial: '2222' }, 5],
  [{ slot: 7 }, 7],
  [{ label: 'twin', serial: '3333' }, 7],
  [{ label: 'twin', slot: 5 }, 5],
  [{ label: 'prod   ' }, 3],
] as const)('%o is one token', (choice, slot) => {
  expect(choose(choice)).toBe(slot)
})

describe('is refused', () => {
  test.each([
    [{}, 'ERR_SETTINGS', 'no token is chosen'],
    [{ label: 'twin' }, 'ERR_SETTINGS', 'several tokens'],
    [{ label: 'absent' }, 'ERR_HSM_UNAVAILABLE', '"absent"'],
    [{ label: 'prod', serial: '2222' }, 'ERR_HSM_UNAVAILABLE', 'serial number 2222'],
    [{ slot: 4 }, 'ERR_HSM_UNAVAILABLE', 'slot 4'],
    // Not initialised.
    [{ label: 'blank' }, 'ERR_HSM_UNAVAILABLE', '"blank"'],
  ] as const)('%o', (choice, code, words) => {
    expect(() => choose(choice)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    )
  })

  test('with the tokens that are there, so that the operator can choose', () => {
    const hints = [expect.stringMatching(/"prod" \(serial number 1111, slot 3\).*3333/)]
    expect(() => choose({ label: 'absent' })).toThrow(expect.objectContaining({ hints }))
  })
})
