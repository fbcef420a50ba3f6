import { createECDH, createPrivateKey, diffieHellman, createPublicKey } from 'node:crypto'
import { type HsmKeyId, SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import {
  eciesWrappedBytes,
  finishEciesUnwrap,
  padSharedSecret,
  parseEciesWrapped,
  wrapEcies,
} from '../src/ecies.js'
import { formatP256Spki } from '../src/p256-point.js'
import { parseWrapPublicKey, type WrapPublicKey } from '../src/wrap-public-key.js'
import { readVectors } from './read-vectors.js'

const keyId = '000102030405060708090a0b0c0d0e0f' as HsmKeyId
const otherId = 'ff0102030405060708090a0b0c0d0e0f' as HsmKeyId
const binding = Buffer.from('binding')

function makeRecipient(id = keyId) {
  const device = createECDH('prime256v1')
  const point = device.generateKeys()
  return { device, publicKey: parseWrapPublicKey(id, formatP256Spki(point)) }
}

function unwrap(
  device: { computeSecret(point: Buffer): Buffer },
  publicKey: WrapPublicKey,
  bytes: Buffer,
  boundTo = binding,
): Buffer {
  const wrapped = parseEciesWrapped(bytes)
  const shared = padSharedSecret(device.computeSecret(wrapped.ephemeralPoint))
  const contentKey = finishEciesUnwrap(publicKey, shared, wrapped, boundTo)
  return contentKey.expose((key) => Buffer.from(key))
}

const integrity = expect.objectContaining({
  code: 'ERR_INTEGRITY',
  message: 'the wrapped key does not belong to this HSM key',
})

describe('ecies', () => {
  test('unwraps what it wrapped', () => {
    const { device, publicKey } = makeRecipient()
    const contentKey = SecretBytes.random(32)
    const wrapped = wrapEcies(publicKey, contentKey, binding)
    expect(wrapped).toHaveLength(eciesWrappedBytes)
    const back = unwrap(device, publicKey, wrapped)
    expect(contentKey.expose((key) => key.equals(back))).toBe(true)
  })

  test('two wraps of one key share no byte string', () => {
    const { publicKey } = makeRecipient()
    const contentKey = SecretBytes.random(32)
    const first = wrapEcies(publicKey, contentKey, binding)
    const second = wrapEcies(publicKey, contentKey, binding)
    expect(first.subarray(0, 65)).not.toEqual(second.subarray(0, 65))
    expect(first.subarray(65)).not.toEqual(second.subarray(65))
  })

  test.each(readVectors('ecies-p256-hkdf-sha256-aes-256-gcm'))(
    'opens the frozen vector: $name',
    (vector) => {
      const publicKey = parseWrapPublicKey(vector.keyId, vector.publicKey)
      const privateKey = createPrivateKey({ key: vector.privateKey, format: 'der', type: 'pkcs8' })
      const device = {
        computeSecret: (point: Buffer) =>
          diffieHellman({
            privateKey,
            publicKey: createPublicKey({ key: formatP256Spki(point), format: 'der', type: 'spki' }),
          }),
      }
      expect(unwrap(device, publicKey, vector.wrapped, vector.binding)).toEqual(vector.contentKey)
      const stripped = vector.sharedSecret.subarray(vector.sharedSecret.findIndex((b) => b !== 0))
      const opened = finishEciesUnwrap(
        publicKey,
        padSharedSecret(Buffer.from(stripped)),
        parseEciesWrapped(vector.wrapped),
        vector.binding,
      )
      expect(opened.expose((key) => Buffer.from(key))).toEqual(vector.contentKey)
    },
  )

  test('one flipped bit anywhere is refused with one text', () => {
    const { device, publicKey } = makeRecipient()
    const wrapped = wrapEcies(publicKey, SecretBytes.random(32), binding)
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      const bad = Buffer.from(wrapped)
      bad[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => unwrap(device, publicKey, bad), `bit ${bit}`).toThrow(integrity)
    }
  })

  test('another binding, key id or recipient is refused', () => {
    const { device, publicKey } = makeRecipient()
    const wrapped = wrapEcies(publicKey, SecretBytes.random(32), binding)
    expect(() => unwrap(device, publicKey, wrapped, Buffer.from('other'))).toThrow(integrity)
    expect(() => unwrap(device, { ...publicKey, id: otherId }, wrapped)).toThrow(integrity)
    const other = makeRecipient()
    expect(() => unwrap(other.device, other.publicKey, wrapped)).toThrow(integrity)
    expect(() => unwrap(device, other.publicKey, wrapped)).toThrow(integrity)
  })

  test('a content key of another length is refused', () => {
    const { publicKey } = makeRecipient()
    expect(() => wrapEcies(publicKey, SecretBytes.random(16), binding)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_INPUT' }),
    )
  })
})

describe('parseEciesWrapped', () => {
  const { publicKey } = makeRecipient()
  const good = wrapEcies(publicKey, SecretBytes.random(32), binding)
  const withPoint = (point: Buffer) => Buffer.concat([point, good.subarray(65)])
  // p = 2^256 - 2^224 + 2^192 + 2^96 - 1
  const p = Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex')
  const compressed = Buffer.concat([Buffer.from([2]), good.subarray(1, 33)])

  test.each([
    ['empty', Buffer.alloc(0)],
    ['one byte short', good.subarray(0, -1)],
    ['one byte long', Buffer.concat([good, Buffer.alloc(1)])],
    ['a compressed point', withPoint(compressed)],
    ['a compressed point, padded', withPoint(Buffer.concat([compressed, Buffer.alloc(32)]))],
    ['the hybrid form', withPoint(Buffer.concat([Buffer.from([6]), good.subarray(1, 65)]))],
    ['the point at infinity', withPoint(Buffer.alloc(65))],
    ['the origin', withPoint(Buffer.concat([Buffer.from([4]), Buffer.alloc(64)]))],
    ['coordinates not below p', withPoint(Buffer.concat([Buffer.from([4]), p, p]))],
    [
      'x and y exchanged',
      withPoint(Buffer.concat([Buffer.from([4]), good.subarray(33, 65), good.subarray(1, 33)])),
    ],
  ])('refuses %s', (_name, bytes) => {
    expect(() => parseEciesWrapped(bytes)).toThrow(integrity)
  })
})

describe('padSharedSecret', () => {
  test('pads on the left and wipes the original', () => {
    const raw = Buffer.from([1, 2, 3])
    const padded = padSharedSecret(raw)
    expect(padded.expose((bytes) => bytes.toString('hex'))).toBe(`${'00'.repeat(29)}010203`)
    expect(raw).toEqual(Buffer.alloc(3))
  })

  test.each([0, 33, 64])('refuses %d bytes', (length) => {
    expect(() => padSharedSecret(Buffer.alloc(length))).toThrow(
      expect.objectContaining({ code: 'ERR_HSM_REFUSED' }),
    )
  })
})
