import { type Handle, type HsmKeyId, type Realm, SecretBytes, type Uuid } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  noTrustees,
  openContent,
  parseSealed,
  type SealContext,
  sealContent,
} from '../src/index.js'

const context: SealContext = {
  organisation: '11111111-1111-4111-8111-111111111111' as Uuid,
  deposit: '22222222-2222-4222-8222-222222222222' as Uuid,
  handle: 'backup-key' as Handle,
  revision: 3,
}

const header = {
  wrapAlgorithm: 3,
  scope: 'deposit',
  kind: 'ec-p256',
  realm: 'production' as Realm,
  domain: 'd0'.repeat(16),
  authKeyId: 'a0'.repeat(16) as HsmKeyId,
  hsmKeyId: 'b0'.repeat(16) as HsmKeyId,
  hsmKeyFingerprint: 'f0'.repeat(32) as never,
  hsmKeyLabel: 'backup-key-3T17-YYdn-2026-01-02',
  trustees: noTrustees,
  wrappedKey: Buffer.alloc(113, 7),
} as const

const contentKey = () => SecretBytes.own(Buffer.alloc(32, 1))
const authSecret = () => SecretBytes.own(Buffer.alloc(32, 2))

function seal(content: Buffer, trustees = header.trustees as { required: number; keys: Buffer[] }) {
  return sealContent({
    header: { ...header, trustees },
    context,
    content,
    contentKey: contentKey(),
    authSecret: authSecret(),
  })
}

function open(bytes: Buffer, from: SealContext = context, secrets = {}) {
  return openContent({
    sealed: parseSealed(bytes),
    context: from,
    contentKey: contentKey(),
    authSecret: authSecret(),
    ...secrets,
  })
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'opened'
}

describe('seal and open', () => {
  it('returns the same bytes for every content', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (content) => {
        expect(open(seal(Buffer.from(content))).equals(Buffer.from(content))).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('refuses every single flipped bit of the sealed bytes', () => {
    const sealed = seal(Buffer.from('content'))
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(codeOf(() => open(changed))).toBe('ERR_INTEGRITY')
    }
  })

  it('refuses every prefix and any trailing byte', () => {
    const sealed = seal(Buffer.from('content'))
    for (let length = 0; length < sealed.length; length++) {
      expect(codeOf(() => open(sealed.subarray(0, length)))).toBe('ERR_INTEGRITY')
    }
    expect(codeOf(() => open(Buffer.concat([sealed, Buffer.alloc(1)])))).toBe('ERR_INTEGRITY')
  })

  it.each([
    ['organisation', { organisation: context.deposit }],
    ['deposit', { deposit: context.organisation }],
    ['handle', { handle: 'other' as Handle }],
    ['revision', { revision: 4 }],
  ])('refuses another %s', (_field, change) => {
    const sealed = seal(Buffer.from('content'))
    expect(codeOf(() => open(sealed, { ...context, ...change }))).toBe('ERR_INTEGRITY')
  })

  it('refuses a deposit made without K_auth, as anyone with the public key could make one', () => {
    const sealed = seal(Buffer.from('content'))
    const forged = { authSecret: SecretBytes.own(Buffer.alloc(32, 9)) }
    expect(codeOf(() => open(sealed, context, forged))).toBe('ERR_INTEGRITY')
    const otherKey = { contentKey: SecretBytes.own(Buffer.alloc(32, 9)) }
    expect(codeOf(() => open(sealed, context, otherKey))).toBe('ERR_INTEGRITY')
  })

  it('carries trustees, and only in order and in a number that fits', () => {
    const keys = [Buffer.alloc(32, 1), Buffer.alloc(32, 2), Buffer.alloc(32, 3)]
    const sealed = seal(Buffer.from('x'), { required: 2, keys })
    expect(parseSealed(sealed).header.trustees).toEqual({ required: 2, keys })
    const bad = [
      { required: 4, keys },
      { required: 0, keys },
      { required: 1, keys: [] },
      { required: 1, keys: [...keys].reverse() },
      { required: 1, keys: [keys[0]!, keys[0]!] },
    ]
    for (const trustees of bad)
      expect(codeOf(() => seal(Buffer.from('x'), trustees))).toBe('ERR_INTEGRITY')
  })

  it('never parses random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(codeOf(() => parseSealed(Buffer.from(bytes)))).toBe('ERR_INTEGRITY')
      }),
    )
  })
})
