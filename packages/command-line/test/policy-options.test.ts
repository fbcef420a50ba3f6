import { describe, expect, test } from 'vitest'
import { policyOf } from '../src/policy-options.js'

const now = new Date('2027-01-01T00:00:00Z')
const of = (options: Record<string, string | boolean | string[]>) => policyOf({ options }, now)

describe('policyOf', () => {
  test('is nothing without an option, and one member for each', () => {
    expect(of({})).toBeUndefined()
    expect(
      of({
        'not-before': '+2h',
        'expires-at': '2027-02-01T01:00:00+01:00',
        'max-retrievals': '3',
        network: ['192.0.2.0/24'],
        reader: ['a', 'b'],
        'reader-group': ['g'],
      }),
    ).toEqual({
      notBefore: '2027-01-01T02:00:00.000Z',
      expiresAt: '2027-02-01T00:00:00.000Z',
      maxRetrievals: 3,
      networks: ['192.0.2.0/24'],
      clients: ['a', 'b'],
      groups: ['g'],
    })
    expect(of({ 'single-use': true })).toEqual({ maxRetrievals: 1 })
  })

  test.each([
    [{ 'not-before': 'tomorrow' }, '--not-before'],
    [{ 'expires-at': '+2x' }, '--expires-at'],
    [{ 'max-retrievals': '0' }, '--max-retrievals'],
    [{ 'max-retrievals': '2', 'single-use': true }, '--single-use'],
  ])('refuses %o', (options, field) => {
    expect(() => of(options)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_INPUT',
        faults: [expect.objectContaining({ field })],
      }),
    )
  })
})
