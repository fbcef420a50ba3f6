import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { formatWriterKey, parseWriterKey, rawWriterKey } from '../../src/sealing/writer-key.js'

describe('writer keys', () => {
  it('are the same from either half, and parsed to what was formatted', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    expect(formatWriterKey(privateKey)).toBe(formatWriterKey(publicKey))
    const raw = rawWriterKey(privateKey)
    expect(raw).toHaveLength(32)
    expect(rawWriterKey(parseWriterKey(formatWriterKey(publicKey), 'writers'))).toEqual(raw)
  })

  it.each([
    ['no base64', '!'],
    ['no key', 'AAAA'],
    ['a key of another kind', exported(generateKeyPairSync('x25519').publicKey)],
  ])('refuses %s', (_, text) => {
    expect(() => parseWriterKey(text, 'writers')).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_INPUT',
        message: expect.stringContaining('writers '),
      }),
    )
  })
})

function exported(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64')
}
