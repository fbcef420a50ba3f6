import { generateKeyPairSync, verify } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  parseRequestSignature,
  signatureHeader,
  signedMessage,
  signRequest,
} from '../src/signed-request.js'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const now = new Date('2026-03-01T12:00:00Z')
const request = { method: 'GET', path: '/v1/x?y=1', body: Buffer.alloc(0) }

describe('signRequest', () => {
  it('makes one header that says who, when and a nonce, and is signed', () => {
    const headers = signRequest({ name: 'a.b-c', privateKey }, { ...request, now })
    expect(Object.keys(headers)).toEqual([signatureHeader])
    const by = parseRequestSignature(headers[signatureHeader])
    expect(by).toMatchObject({ name: 'a.b-c', unixMs: now.getTime() })
    if (by === undefined) throw new Error('not parsed')
    expect(verify(null, signedMessage(request, by), publicKey, by.signature)).toBe(true)
  })

  it('never makes the same header twice', () => {
    const sign = () => signRequest({ name: 'a', privateKey }, { ...request, now })[signatureHeader]
    expect(new Set(Array.from({ length: 50 }, sign)).size).toBe(50)
  })
})

describe('signedMessage', () => {
  it('is these lines', () => {
    const by = { name: 'root', unixMs: 1, nonce: 'n' }
    expect(
      signedMessage({ method: 'PUT', path: '/p', body: Buffer.from('abc') }, by).toString(),
    ).toBe(
      'keyhsm-signature-v1\nroot\nPUT\n/p\n1\nn\n' +
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
  })
})

describe('parseRequestSignature', () => {
  const nonce = 'n'.repeat(22)
  const signature = Buffer.alloc(64, 7).toString('base64url')

  it('reads names with dots', () => {
    expect(parseRequestSignature(`a.1.b.5.${nonce}.${signature}`)).toMatchObject({
      name: 'a.1.b',
      unixMs: 5,
    })
  })

  it.each([
    undefined,
    '',
    `a.5.${nonce}`,
    `.5.${nonce}.${signature}`,
    `-a.5.${nonce}.${signature}`,
    `${'a'.repeat(65)}.5.${nonce}.${signature}`,
    `a.05.${nonce}.${signature}`,
    `a.-5.${nonce}.${signature}`,
    `a.5.short.${signature}`,
    `a.5.${nonce}.${signature}=`,
    // 86 characters hold 516 bits: the last four must be zero, or one signature had many spellings.
    `a.5.${nonce}.${signature.slice(0, -1)}x`,
    `a.5.${nonce}.${signature}\n`,
  ])('refuses %j', (text) => {
    expect(parseRequestSignature(text)).toBeUndefined()
  })
})
