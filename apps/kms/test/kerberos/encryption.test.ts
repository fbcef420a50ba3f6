import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nFold } from '../../src/kerberos/aes-sha1.js'
import { decryptSha2, encryptSha2 } from '../../src/kerberos/aes-sha2.js'
import { fromCts, toCts } from '../../src/kerberos/cts.js'
import { decrypt, encrypt, isSupported } from '../../src/kerberos/encryption.js'

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

describe('encryption of RFC 8009 A', () => {
  const keys = {
    16: '3705d96080c17728a0e800eab6e0d23c',
    32: '6d404d37faf79f9df0d33568d320669800eb4836472ea8a026d16b7182460c52',
  }
  it.each([
    [
      16,
      '',
      '7e5895eaf2672435bad817f545a37148',
      'ef85fb890bb8472f4dab20394dca781dad877eda39d50c870c0d5a0a8e48c718',
    ],
    [
      16,
      '000102030405',
      '7bca285e2fd4130fb55b1a5c83bc5b24',
      '84d7f30754ed987bab0bf3506beb09cfb55402cef7e6877ce99e247e52d16ed4421dfdf8976c',
    ],
    [
      32,
      '',
      'f764e9fa15c276478b2c7d0c4e5f58e4',
      '41f53fa5bfe7026d91faf9be959195a058707273a96a40f0a01960621ac612748b9bbfbe7eb4ce3c',
    ],
  ] as const)('%d bytes of key, %j', (size, text, first, expected) => {
    const key = Buffer.from(keys[size], 'hex')
    const made = encryptSha2(key, 2, Buffer.from(text, 'hex'), Buffer.from(first, 'hex'))
    expect(made.toString('hex')).toBe(expected)
    expect(decryptSha2(key, 2, made).toString('hex')).toBe(text)
  })
})

describe.each([18, 20])('encryption of type %d', (type) => {
  const key = { type, bytes: Buffer.alloc(32, 5) }

  it('comes back, for any length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 100 }),
        fc.constantFrom(type - 1, type),
        (text, one) => {
          const own = { type: one, bytes: Buffer.alloc(one === type ? 32 : 16, 3) }
          return decrypt(own, 2, encrypt(own, 2, Buffer.from(text))).equals(Buffer.from(text))
        },
      ),
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
    expect(() => decrypt({ type, bytes: Buffer.alloc(32, 6) }, 2, text)).toThrow()
    expect(() => decrypt(key, 2, Buffer.alloc(20))).toThrow()
    expect(isSupported({ type: 23, bytes: Buffer.alloc(16) })).toBe(false)
  })
})
