import { describe, expect, test } from 'vitest'
import {
  hashAuthSecret,
  makeAuthSecret,
  verifyAuthSecret,
} from '../../src/organisations/auth-secret.js'

describe('auth secrets', () => {
  test('are 16 random bytes in base64', () => {
    expect(Buffer.from(makeAuthSecret(), 'base64')).toHaveLength(16)
    expect(makeAuthSecret()).not.toBe(makeAuthSecret())
  })

  test('are kept as a salted scrypt hash with its parameters', async () => {
    const [one, two] = await Promise.all([hashAuthSecret('secret'), hashAuthSecret('secret')])
    expect(one).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect(await verifyAuthSecret('secret', one)).toBe(true)
    expect(await verifyAuthSecret('Secret', one)).toBe(false)
  })

  test('verify with the parameters of the hash, made elsewhere', async () => {
    // python3: hashlib.scrypt(b'secret', salt=b'0123456789abcdef', n=2**10, r=8, p=1, dklen=32)
    const hash =
      '$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$S7FwBvpu+z8K0PUVUagFRTUAB2dAxIZpzVHvLZir+98'
    expect(await verifyAuthSecret('secret', hash)).toBe(true)
    expect(await verifyAuthSecret('other', hash)).toBe(false)
  })

  test.each([[undefined], [''], ['$scrypt$ln=15,r=8,p=1$short$short'], ['$argon2id$x']])(
    'never verify against %j',
    async (hash) => {
      expect(await verifyAuthSecret('secret', hash)).toBe(false)
      expect(await verifyAuthSecret('', hash)).toBe(false)
    },
  )
})
