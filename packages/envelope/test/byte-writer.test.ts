import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../src/byte-writer.js'

describe('a byte writer', () => {
  it('writes each field in its order', () => {
    const written = new ByteWriter()
      .uint8(1)
      .uint16(0x0203)
      .uint32(0x04050607)
      .hex('08f9', 2)
      .shortText('ab')
      .bytes(Buffer.of(9, 10))
      .toBuffer()
    expect(written.toString('hex')).toBe('0102030405060708f9026162090a')
  })

  it('grows with what is written, and gives copies', () => {
    const part = fc.uint8Array({ maxLength: 1500 })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const writer = new ByteWriter()
        for (const bytes of parts) writer.bytes(bytes)
        const before = writer.toBuffer()
        writer.uint8(1)
        expect(before.equals(Buffer.concat(parts))).toBe(true)
        expect(writer.toBuffer().equals(Buffer.concat([...parts, Buffer.of(1)]))).toBe(true)
      }),
    )
  })

  it.each(['0102', '010203040', '01020g', ''])('refuses %j as three bytes in hex', (digits) => {
    expect(() => new ByteWriter().hex(digits, 3)).toThrow(RangeError)
  })

  it('refuses a number that does not fit', () => {
    expect(() => new ByteWriter().uint8(256)).toThrow(RangeError)
    expect(() => new ByteWriter().shortText('a'.repeat(256))).toThrow(RangeError)
  })
})
