import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { unwrapRsaOaep } from '../src/rsa-oaep.js'
import { wrapInSoftware } from '../src/wrap-in-software.js'
import { parseWrapPublicKey } from '../src/wrap-public-key.js'

const id = 'a'.repeat(32) as HsmKeyId
const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const notSupported = expect.objectContaining({ code: 'ERR_HSM_NOT_SUPPORTED' })

describe('parseWrapPublicKey', () => {
  test('knows the kinds that can wrap', () => {
    expect(parseWrapPublicKey(id, spki(rsa.publicKey))).toMatchObject({ id, kind: 'rsa-2048' })
    const parsed = parseWrapPublicKey(id, spki(ec.publicKey))
    expect(parsed.kind).toBe('ec-p256')
    expect(parsed.point).toEqual(spki(ec.publicKey).subarray(26))
  })

  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
  const point = spki(ec.publicKey).subarray(26)
  const compressed = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
    Buffer.from([2 + (point[64]! & 1)]),
    point.subarray(1, 33),
  ])
  const offCurve = Buffer.from(spki(ec.publicKey))
  offCurve[90]! ^= 1
  test.each([
    ['another curve', spki(p384)],
    ['a short modulus', spki(weak)],
    ['a compressed point', compressed],
    ['a point off the curve', offCurve],
    ['nonsense', Buffer.from('nonsense')],
  ])('refuses %s', (_name, bytes) => {
    expect(() => parseWrapPublicKey(id, bytes)).toThrow(notSupported)
  })
})

describe('wrapInSoftware', () => {
  const binding = Buffer.from('binding')

  test('wraps by the named algorithm and says so', () => {
    const contentKey = SecretBytes.random(32)
    const rsaKey = parseWrapPublicKey(id, spki(rsa.publicKey))
    const wrapped = wrapInSoftware(rsaKey, 'rsa-oaep-sha1', contentKey, binding)
    expect(wrapped.algorithm).toBe('rsa-oaep-sha1')
    const back = unwrapRsaOaep(rsa.privateKey, 'rsa-oaep-sha1', wrapped.bytes)
    expect(back.expose((a) => contentKey.expose((b) => a.equals(b)))).toBe(true)
    const ecKey = parseWrapPublicKey(id, spki(ec.publicKey))
    const ecies = wrapInSoftware(ecKey, 'ecies-p256-hkdf-sha256-aes-256-gcm', contentKey, binding)
    expect(ecies.bytes).toHaveLength(113)
  })

  test('refuses an algorithm of another kind', () => {
    const ecKey = parseWrapPublicKey(id, spki(ec.publicKey))
    for (const algorithm of ['rsa-oaep-sha256', 'aes-256-gcm', 'aes-256-kwp'] as const) {
      const wrap = () => wrapInSoftware(ecKey, algorithm, SecretBytes.random(32), binding)
      expect(wrap).toThrow(notSupported)
    }
  })

  test('refuses a content key of another length', () => {
    const rsaKey = parseWrapPublicKey(id, spki(rsa.publicKey))
    expect(() =>
      wrapInSoftware(rsaKey, 'rsa-oaep-sha256', SecretBytes.random(31), binding),
    ).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INPUT' }))
  })
})
