import { createPrivateKey, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { isRsaOaep, type RsaOaepAlgorithm, unwrapRsaOaep, wrapRsaOaep } from '../src/rsa-oaep.js'
import { readVectors } from './read-vectors.js'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const algorithms: RsaOaepAlgorithm[] = ['rsa-oaep-sha256', 'rsa-oaep-sha1']
const integrity = expect.objectContaining({
  code: 'ERR_INTEGRITY',
  message: 'the wrapped key does not belong to this HSM key',
})

describe.each(algorithms)('%s', (algorithm) => {
  const other = algorithms.find((name) => name !== algorithm) ?? algorithm

  test('unwraps what it wrapped', () => {
    const contentKey = SecretBytes.random(32)
    const wrapped = wrapRsaOaep(pair.publicKey, algorithm, contentKey)
    const back = unwrapRsaOaep(pair.privateKey, algorithm, wrapped)
    expect(back.expose((a) => contentKey.expose((b) => a.equals(b)))).toBe(true)
  })

  test.each(readVectors(algorithm))('opens the frozen vector: $name', (vector) => {
    const key = createPrivateKey({ key: vector.privateKey, format: 'der', type: 'pkcs8' })
    const back = unwrapRsaOaep(key, algorithm, vector.wrapped)
    expect(back.expose((bytes) => Buffer.from(bytes))).toEqual(vector.contentKey)
  })

  test('refuses the other hash, damage, another length and another content with one text', () => {
    const wrapped = wrapRsaOaep(pair.publicKey, algorithm, SecretBytes.random(32))
    expect(() => unwrapRsaOaep(pair.privateKey, other, wrapped)).toThrow(integrity)
    for (let at = 0; at < wrapped.length; at += 17) {
      const bad = Buffer.from(wrapped)
      bad[at]! ^= 0x80
      expect(() => unwrapRsaOaep(pair.privateKey, algorithm, bad)).toThrow(integrity)
    }
    for (const bad of [Buffer.alloc(0), wrapped.subarray(1), Buffer.concat([wrapped, wrapped])]) {
      expect(() => unwrapRsaOaep(pair.privateKey, algorithm, bad)).toThrow(integrity)
    }
    const oaepHash = algorithm === 'rsa-oaep-sha256' ? 'sha256' : 'sha1'
    const short = publicEncrypt({ key: pair.publicKey, oaepHash }, Buffer.alloc(16))
    expect(() => unwrapRsaOaep(pair.privateKey, algorithm, short)).toThrow(integrity)
  })

  test('refuses the same number in fewer bytes', () => {
    let wrapped: Buffer
    do wrapped = wrapRsaOaep(pair.publicKey, algorithm, SecretBytes.random(32))
    while (wrapped[0] !== 0)
    expect(unwrapRsaOaep(pair.privateKey, algorithm, wrapped).length).toBe(32)
    const shorter = wrapped.subarray(1)
    expect(() => unwrapRsaOaep(pair.privateKey, algorithm, shorter)).toThrow(integrity)
  })
})

test('only the OAEP algorithms are RSA', () => {
  expect(isRsaOaep('rsa-oaep-sha256')).toBe(true)
  expect(isRsaOaep('aes-256-gcm')).toBe(false)
  expect(isRsaOaep('toString')).toBe(false)
})
