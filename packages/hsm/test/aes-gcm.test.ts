import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { HsmKeyId } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import {
  aesGcmAssociatedData,
  aesGcmWrappedBytes,
  formatAesGcmWrapped,
  parseAesGcmWrapped,
} from '../src/aes-gcm.js'
import { readVectors } from './read-vectors.js'

describe('aes-256-gcm', () => {
  test.each(readVectors('aes-256-gcm'))(
    'parts and associated data of the frozen vector',
    (vector) => {
      const parts = parseAesGcmWrapped(vector.wrapped)
      const decipher = createDecipheriv('aes-256-gcm', vector.secretKey, parts.nonce)
      decipher.setAAD(aesGcmAssociatedData(vector.keyId, vector.binding))
      decipher.setAuthTag(parts.sealed.subarray(32))
      const opened = decipher.update(parts.sealed.subarray(0, 32))
      decipher.final()
      expect(opened).toEqual(vector.contentKey)
      expect(formatAesGcmWrapped(parts)).toEqual(vector.wrapped)
    },
  )

  test.each([0, 59, 61])('refuses %d bytes', (length) => {
    expect(() => parseAesGcmWrapped(Buffer.alloc(length))).toThrow(
      expect.objectContaining({ code: 'ERR_INTEGRITY' }),
    )
    expect(aesGcmWrappedBytes).toBe(60)
  })

  test('the associated data differs by id and by binding, never in length', () => {
    const id = 'a'.repeat(32) as HsmKeyId
    const all = [
      aesGcmAssociatedData(id, Buffer.alloc(0)),
      aesGcmAssociatedData(id, Buffer.alloc(5000)),
      aesGcmAssociatedData('b'.repeat(32) as HsmKeyId, Buffer.alloc(0)),
    ]
    expect(new Set(all.map((data) => data.toString('hex'))).size).toBe(3)
    expect(all.map((data) => data.length)).toEqual([67, 67, 67])
  })
})

test.each(readVectors('aes-256-kwp'))('the KWP vector is plain RFC 5649', (vector) => {
  const cipher = createCipheriv(
    'id-aes256-wrap-pad',
    vector.secretKey,
    Buffer.from('a65959a6', 'hex'),
  )
  expect(Buffer.concat([cipher.update(vector.contentKey), cipher.final()])).toEqual(vector.wrapped)
})
