import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decrypt,
  encrypt,
  fromCts,
  isSupported,
  nFold,
  toCts,
} from '../../src/kerberos/encryption.js'

describe('n-fold of RFC 3961 A.1', () => {
  it.each([
    ['012345', 8, 'be072631276b1955'],
    ['password', 7, '78a07b6caf85fa'],
    ['Rough Consensus, and Running Code', 8, 'bb6ed30870b7f0e0'],
    ['kerberos', 8, '6b65726265726f73'],
    ['kerberos', 16, '6b65726265726f737b9b5b2b93132b93'],
  ])('%s to %d bytes', (text, length, hex) => {
    expect(nFold(Buffer.from(text), length).toString('hex')).toBe(hex)
  })
})

describe('ciphertext stealing of RFC 3962 B', () => {
  const key = Buffer.from('chicken teriyaki')
  it.each([
    ['I would like the ', 'c6353568f2bf8cb4d8a580362da7ff7f97'],
    [
      "I would like the General Gau's ",
      'fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5',
    ],
    [
      "I would like the General Gau's C",
      '39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584',
    ],
  ])('%s', (text, hex) => {
    expect(toCts(key, Buffer.from(text)).toString('hex')).toBe(hex)
    expect(fromCts(key, Buffer.from(hex, 'hex')).toString()).toBe(text)
  })
})

describe('encryption', () => {
  const key = { type: 18, bytes: Buffer.alloc(32, 5) }

  it('comes back, for any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(17, 18), (text, type) => {
        const own = { type, bytes: Buffer.alloc(type === 17 ? 16 : 32, 3) }
        return decrypt(own, 2, encrypt(own, 2, Buffer.from(text))).equals(Buffer.from(text))
      }),
      { numRuns: 50 },
    )
  })

  it('is refused when a bit is flipped, under another usage, or under another key', () => {
    const text = encrypt(key, 2, Buffer.from('the ticket'))
    for (let at = 0; at < text.length; at += 1) {
      const flipped = Buffer.from(text)
      flipped[at] = (flipped[at] ?? 0) ^ 1
      expect(() => decrypt(key, 2, flipped)).toThrow('not made for a key')
    }
    expect(() => decrypt(key, 3, text)).toThrow('not made for a key')
    expect(() => decrypt({ type: 18, bytes: Buffer.alloc(32, 6) }, 2, text)).toThrow()
    expect(() => decrypt(key, 2, Buffer.alloc(20))).toThrow()
    expect(isSupported({ type: 23, bytes: Buffer.alloc(16) })).toBe(false)
  })
})
