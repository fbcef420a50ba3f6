import { createHash, hkdfSync } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveContentCipherKey } from '../src/content-key.js'

describe('the key of the content cipher', () => {
  it('is what HKDF of node:crypto gives', () => {
    const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(secret, secret, fc.uint8Array({ maxLength: 2000 }), (key, auth, bound) => {
        const info = Buffer.concat([
          Buffer.from('keyhsm content key v1'),
          createHash('sha256').update(bound).digest(),
        ])
        const expected = hkdfSync('sha256', Buffer.concat([key, auth]), '', info, 32)
        const own = (bytes: Uint8Array) => SecretBytes.own(Buffer.from(bytes))
        const derived = deriveContentCipherKey(own(key), own(auth), Buffer.from(bound))
        expect(derived.expose((bytes) => bytes.equals(Buffer.from(expected)))).toBe(true)
      }),
    )
  })
})
