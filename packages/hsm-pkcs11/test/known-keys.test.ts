import { generateKeyPairSync } from 'node:crypto'
import type { HsmKeyId } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { KnownKeys } from '../src/known-keys.js'

function newSpki(): Buffer {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return publicKey.export({ format: 'der', type: 'spki' })
}

const id = '01'.repeat(16) as HsmKeyId
const kind = 'ec-p256'

test('parses a public key once', () => {
  const keys = new KnownKeys()
  const publicKey = newSpki()
  const first = keys.publicKey({ id, kind, publicKey })
  expect(keys.publicKey({ id, kind, publicKey: Buffer.from(publicKey) })).toBe(first)
  expect(keys.kindOf(id)).toBe(kind)
})

test('takes another public key under the same id for another key', () => {
  const keys = new KnownKeys()
  keys.publicKey({ id, kind, publicKey: newSpki() })
  const second = newSpki()
  expect(second.includes(keys.publicKey({ id, kind, publicKey: second }).point)).toBe(true)
})

test('forgets on demand, and the oldest when there are too many', () => {
  const keys = new KnownKeys()
  keys.keep({ id, kind, publicKey: undefined })
  keys.forget(id)
  expect(keys.kindOf(id)).toBeUndefined()
  keys.keep({ id, kind, publicKey: undefined })
  for (let number = 0; number < 4096; number += 1) {
    const other = number.toString(16).padStart(32, '0') as HsmKeyId
    keys.keep({ id: other, kind: 'aes-256', publicKey: undefined })
  }
  expect(keys.kindOf(id)).toBeUndefined()
})
