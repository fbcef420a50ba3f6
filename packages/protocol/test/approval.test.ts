import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  formatRetrieval,
  isRecipientSigned,
  isRetrievalSigned,
  signRecipient,
  signRetrieval,
} from '../src/index.js'

interface Vector {
  readonly privateKey: string
  readonly statement: Record<'organisation' | 'deposit' | 'client' | 'request', string>
  readonly revision: number
  readonly expiresAt: string
  readonly bytes: string
  readonly request: string
  readonly approval: string
}

const file = new URL('./vectors/approval-v1.json', import.meta.url)
const vector = JSON.parse(readFileSync(file, 'utf8')) as Vector
const key = createPrivateKey(vector.privateKey)
const raw = Buffer.from(String(createPublicKey(key).export({ format: 'jwk' }).x), 'base64url')
const statement = {
  ...vector.statement,
  revision: vector.revision,
  clientKey: raw,
  expiresAt: new Date(vector.expiresAt),
}

describe('a retrieval statement, version 1', () => {
  it('is encoded and signed as the frozen vector says', () => {
    expect(formatRetrieval(statement).toString('hex')).toBe(vector.bytes)
    for (const purpose of ['request', 'approval'] as const)
      expect(signRetrieval(statement, purpose, key).toString('hex')).toBe(vector[purpose])
  })

  it('is signed for one purpose, one key and one content', () => {
    const signature = Buffer.from(vector.request, 'hex')
    const given = { key: raw, signature }
    expect(isRetrievalSigned(statement, 'request', given)).toBe(true)
    expect(isRetrievalSigned(statement, 'approval', given)).toBe(false)
    expect(isRetrievalSigned({ ...statement, revision: 8 }, 'request', given)).toBe(false)
    expect(isRetrievalSigned(statement, 'request', { ...given, key: Buffer.alloc(32) })).toBe(false)
    expect(isRetrievalSigned(statement, 'request', { key: raw.subarray(1), signature })).toBe(false)
    const short = { key: raw, signature: signature.subarray(1) }
    expect(isRetrievalSigned(statement, 'request', short)).toBe(false)
  })

  it('refuses what it cannot encode', () => {
    expect(() => formatRetrieval({ ...statement, clientKey: raw.subarray(1) })).toThrow(RangeError)
    expect(() => formatRetrieval({ ...statement, request: 'x' })).toThrow(RangeError)
  })
})

it('an identity key vouches for a recipient', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signature = signRecipient('age1a', privateKey)
  expect(isRecipientSigned('age1a', publicKey, signature)).toBe(true)
  expect(isRecipientSigned('age1b', publicKey, signature)).toBe(false)
})
