import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from '../src/base64.js'

describe('base64', () => {
  it('decodes what was encoded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeBase64(encodeBase64(bytes), 'x')).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('encodes the part of a buffer that a view shows', () => {
    expect(encodeBase64(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe('AgM=')
  })

  it('has one spelling for each value', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        let bytes: Buffer
        try {
          bytes = decodeBase64(text, 'x')
        } catch {
          return
        }
        expect(encodeBase64(bytes)).toBe(text)
      }),
    )
  })

  it.each(['A', 'AA', 'AA=', 'AA==\n', ' AA==', 'AB==', '_-8=', 'AA==AA==', '=', 'é'])(
    'refuses %j and names the field, not the value',
    (text) => {
      expect(() => decodeBase64(text, 'content')).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_INPUT',
          message: 'content must be base64 with padding',
        }),
      )
    },
  )
})
