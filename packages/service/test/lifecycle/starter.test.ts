import { expect, test } from 'vitest'
import { formatAuthority } from '../../src/lifecycle/starter.js'

test('an address with colons is bracketed', () => {
  expect(formatAuthority({ host: '::1', port: 9600 })).toBe('[::1]:9600')
  expect(formatAuthority({ host: '127.0.0.1', port: 9600 })).toBe('127.0.0.1:9600')
})
