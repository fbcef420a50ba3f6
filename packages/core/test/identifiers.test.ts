import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  asUuid,
  newUuid,
  parseFingerprint,
  parseHandle,
  parseHsmKeyId,
  parseRealm,
  parseShortName,
  parseUuid,
} from '../src/identifiers.js'

const refusal = (field: string, rule: RegExp) =>
  expect.objectContaining({
    code: 'ERR_INVALID_INPUT',
    faults: [{ field, rule: expect.stringMatching(rule) }],
  })

describe('parseHandle', () => {
  it.each(['a', '0', 'Key-1', 'a.b_c-d', 'x'.repeat(128)])('takes %s', (text) => {
    expect(parseHandle(text)).toBe(text)
  })

  it.each([
    ['', /1 to 128 characters/],
    ['x'.repeat(129), /1 to 128 characters/],
    ['.a', /start with/],
    ['-a', /start with/],
    ['_a', /start with/],
    ['a/b', /hold only/],
    ['a b', /hold only/],
    ['a\n', /hold only/],
    ['é', /start with/],
    ['a\u0000', /hold only/],
  ])('refuses %j', (text, rule) => {
    expect(() => parseHandle(text)).toThrow(refusal('handle', rule))
  })

  it('takes exactly what the pattern says', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 8 }), (text) => {
        const allowed = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)
        if (allowed) expect(parseHandle(text)).toBe(text)
        else expect(() => parseHandle(text)).toThrow()
      }),
    )
  })
})

describe('shorter names', () => {
  it('have at most 64 characters, and the field that was asked for', () => {
    expect(parseRealm('x'.repeat(64))).toHaveLength(64)
    expect(() => parseRealm('x'.repeat(65))).toThrow(refusal('realm', /1 to 64/))
    expect(() => parseShortName('', 'organisation')).toThrow(refusal('organisation', /1 to 64/))
  })
})

describe('asUuid', () => {
  it('reads as parseUuid does, and refuses nothing', () => {
    const uuid = newUuid()
    expect(asUuid(uuid.toUpperCase())).toBe(uuid)
    expect(asUuid('')).toBeUndefined()
    expect(asUuid(`${uuid}0`)).toBeUndefined()
  })
})

describe('parseUuid', () => {
  it('takes what newUuid makes, in either case, and nothing around it', () => {
    const uuid = newUuid()
    expect(parseUuid(uuid.toUpperCase())).toBe(uuid)
    for (const text of [
      '',
      ` ${uuid}`,
      `${uuid}\n`,
      `{${uuid}}`,
      uuid.replaceAll('-', ''),
      uuid.replace(/.$/, 'g'),
    ]) {
      expect(() => parseUuid(text, 'requestId')).toThrow(refusal('requestId', /uuid/))
    }
  })
})

describe('parseHsmKeyId', () => {
  it('takes 32 lower-case hex digits only', () => {
    expect(parseHsmKeyId('0a'.repeat(16))).toBe('0a'.repeat(16))
    for (const text of ['', '0A'.repeat(16), '0a'.repeat(15), `${'0a'.repeat(16)}\n`]) {
      expect(() => parseHsmKeyId(text)).toThrow(refusal('hsmKeyId', /32/))
    }
  })
})

describe('parseFingerprint', () => {
  it('takes the spelling of openssl and gives ours', () => {
    const colons = Array.from({ length: 32 }, () => 'AB').join(':')
    expect(parseFingerprint(colons)).toBe('ab'.repeat(32))
    for (const text of ['', 'ab'.repeat(31), `${'ab'.repeat(32)} `, 'SHA256:abc']) {
      expect(() => parseFingerprint(text)).toThrow(refusal('fingerprint', /64 hex digits/))
    }
  })
})
