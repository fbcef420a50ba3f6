import { type WrapAlgorithm, wrapAlgorithms } from '@keyhsm/hsm'
import { expect, test } from 'vitest'
import { checkWrappedBytes } from '../src/wrapped-lengths.js'

const good: Readonly<Record<WrapAlgorithm, readonly number[]>> = {
  'rsa-oaep-sha256': [256, 384],
  'rsa-oaep-sha1': [256, 384],
  'ecies-p256-hkdf-sha256-aes-256-gcm': [113],
  'aes-256-gcm': [60],
  'aes-256-kwp': [40],
}

test.each(Object.keys(wrapAlgorithms) as WrapAlgorithm[])(
  '%s has its lengths and no other',
  (name) => {
    for (let length = 0; length <= 512; length += 1) {
      const check = () => checkWrappedBytes(name, Buffer.alloc(length))
      if (good[name].includes(length)) expect(check).not.toThrow()
      else expect(check).toThrow(expect.objectContaining({ code: 'ERR_INTEGRITY' }))
    }
  },
)

test('an algorithm of a later release is refused', () => {
  const check = () => checkWrappedBytes('constructor' as WrapAlgorithm, Buffer.alloc(60))
  expect(check).toThrow(expect.objectContaining({ code: 'ERR_INTEGRITY' }))
})
