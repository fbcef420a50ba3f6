import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bitsOf, type Eek, EekCipher } from '../../src/zone-keys/eek.js'

/** Zone key, IV, data key, EEK; the last two were made by Hadoop's own KMS. */
const vectors = [
  [
    '000102030405060708090a0b0c0d0e0f',
    'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    '00112233445566778899aabbccddeeff',
    '20b8dba1f0193d9f8c865667a0737795',
    'hex',
  ],
  [
    '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
    'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff',
    '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
    '72a0c10b0826295cfb336e71469f6b5eef6c63198581a180b372d4ee2f01641e',
    'hex',
  ],
  [
    'DJ6zc3pMMgcatkmbBTX4Og',
    'wPFIEqurE1_gNZCuAHtg4A',
    'CBBfnOiffVRsnCZMrT1akg',
    'eh4x2TrkY7q0hNrDFtjolQ',
    'base64url',
  ],
  [
    'eGDXuoJKX_9hKyiqHv2RD1nq5JJyIHHclP_ICUVfPXU',
    'm6AJfwxVf0zYGLW4EaOEng',
    'DCnOZNstWaPbWn6YxOB7CkySaYa52SFCCLDmTJLF9vQ',
    'AmRXceAboMDS_oDSajCjNE83FphM8fRqlnStTguwyzM',
    'base64url',
  ],
] as const
const cipher = 'AES/CTR/NoPadding'

/** Under a cipher of its own. */
function applyEek(zoneKey: Buffer, name: string, eek: Eek): Buffer {
  const eeks = new EekCipher(zoneKey, name)
  try {
    return eeks.apply(eek)
  } finally {
    eeks.close()
  }
}

describe('EEK', () => {
  it.each(vectors)('opens and makes vector %s', (...row) => {
    const [zoneKey, iv, dataKey, eek, encoding] = row
    const bytes = (text: string) => Buffer.from(text, encoding)
    const opened = applyEek(bytes(zoneKey), cipher, { iv: bytes(iv), material: bytes(eek) })
    expect(opened).toEqual(bytes(dataKey))
    expect(applyEek(bytes(zoneKey), cipher, { iv: bytes(iv), material: opened })).toEqual(
      bytes(eek),
    )
  })

  it('makes a fresh data key of the zone key’s length each time', () => {
    const zoneKey = Buffer.alloc(32, 7)
    const eeks = new EekCipher(zoneKey, cipher)
    const [a, b] = [eeks.make(), eeks.make()]
    expect(a.material).toHaveLength(32)
    expect(a.iv).not.toEqual(b.iv)
    expect(applyEek(zoneKey, cipher, a)).not.toEqual(applyEek(zoneKey, cipher, b))
  })

  it('is its own inverse', () => {
    fc.assert(
      fc.property(
        fc
          .constantFrom(16, 24, 32)
          .chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uint8Array({ maxLength: 100 }),
        (key, iv, data) => {
          const eek = { iv: Buffer.from(iv), material: Buffer.from(data) }
          const once = applyEek(Buffer.from(key), cipher, eek)
          return applyEek(Buffer.from(key), cipher, { iv: eek.iv, material: once }).equals(
            Buffer.from(data),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is the counter mode of the library, also over the end of the counter', () => {
    const byte = fc.constantFrom(0x00, 0x01, 0xfe, 0xff)
    fc.assert(
      fc.property(
        fc.constantFrom(16, 24, 32),
        fc.array(byte, { minLength: 16, maxLength: 16 }),
        fc.uint8Array({ maxLength: 100 }),
        (keyBytes, counter, data) => {
          const zoneKey = Buffer.alloc(keyBytes, 5)
          const iv = Buffer.from(counter.map((one) => one ^ 0xff))
          const library = createCipheriv(`aes-${keyBytes * 8}-ctr`, zoneKey, Buffer.from(counter))
          const expected = library.update(Buffer.from(data))
          expect(applyEek(zoneKey, cipher, { iv, material: Buffer.from(data) })).toEqual(expected)
        },
      ),
      { examples: [[16, Array<number>(16).fill(0xff), new Uint8Array(50)]] },
    )
  })

  it('is one cipher for many, and none after its end', () => {
    const eeks = new EekCipher(Buffer.alloc(16, 1), cipher)
    const eek = { iv: Buffer.alloc(16, 2), material: Buffer.alloc(16, 3) }
    expect(eeks.apply(eek)).toEqual(eeks.apply(eek))
    eeks.close()
    expect(() => eeks.apply(eek)).toThrow()
  })

  it('wraps with SM4 where the zone says so', () => {
    const zoneKey = Buffer.alloc(16, 1)
    const eek = { iv: Buffer.alloc(16), material: Buffer.alloc(16) }
    expect(applyEek(zoneKey, 'SM4/CTR/NoPadding', eek)).not.toEqual(applyEek(zoneKey, cipher, eek))
  })

  it.each([
    ['AES/GCM/x', 16],
    ['AES', 24],
    ['aes/ecb/pkcs5', 16],
    ['Blowfish', 16],
    ['HmacSHA256', 32],
    ['constructor', 16],
  ])('wraps with AES where the zone’s cipher is %s, as the original does', (name, bytes) => {
    const zoneKey = Buffer.alloc(bytes, 1)
    const eek = { iv: Buffer.alloc(16, 2), material: Buffer.alloc(bytes, 3) }
    expect(applyEek(zoneKey, name, eek)).toEqual(applyEek(zoneKey, cipher, eek))
  })

  it('refuses an IV of another length, and a zone key that AES or SM4 cannot have', () => {
    const eek = { iv: Buffer.alloc(16), material: Buffer.alloc(16) }
    const short = { ...eek, iv: Buffer.alloc(12) }
    expect(() => applyEek(Buffer.alloc(16), cipher, short)).toThrow('iv must be 16 bytes')
    expect(() => applyEek(Buffer.alloc(5), 'RC2', eek)).toThrow(/^cipher .* no keys of 40 bits/)
    expect(() => applyEek(Buffer.alloc(32), 'SM4', eek)).toThrow(/SM4 .* no keys of 256 bits/)
  })

  it('makes new keys of AES and SM4 only, whatever follows', () => {
    expect(bitsOf('AES/GCM/NoPadding')).toEqual([128, 192, 256])
    expect(bitsOf('sm4')).toEqual([128])
    for (const name of ['DES/CBC', 'HmacSHA256', '', '/AES', 'constructor'])
      expect(bitsOf(name)).toBeUndefined()
  })
})
