import { generateKeyPairSync, sign } from 'node:crypto'
import { expect, test } from 'vitest'
import { derToRaw } from '../../src/verbs/sign.js'

test('DER signatures become r and s of 32 bytes each', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const lengths = new Set<number>()
  for (let round = 0; round < 200; round++) {
    const der = sign('sha256', Buffer.from([round]), privateKey)
    lengths.add(der.length)
    const raw = derToRaw(der) ?? Buffer.alloc(0)
    expect(raw.length).toBe(64)
    expect(publicKey.asymmetricKeyType).toBe('ec')
    const r = raw
      .subarray(0, 32)
      .toString('hex')
      .replace(/^(00)+/, '')
    expect(der.toString('hex')).toContain(r)
  }
  expect(lengths.size).toBeGreaterThan(1)
})

test.each([
  '',
  '30',
  '3000',
  '300602010102',
  '3007020101020102',
  '300602010102017f00',
  '3006020002020102',
])('other bytes are refused: %s', (hex) => {
  expect(derToRaw(Buffer.from(hex, 'hex'))).toBeUndefined()
})
