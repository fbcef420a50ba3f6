import { type DomainError, newUuid, SecretBytes } from '@keyhsm/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  clientSealingBytes,
  parseConditions,
  parsePut,
  requestHash,
  requireDistinctHandles,
  type StoreRequest,
} from '../../src/deposits/orders.js'
import { openGrants } from '../../src/grants.js'

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'none'
  } catch (error) {
    return (error as DomainError).code
  }
}

describe('parsePut', () => {
  test('gives back any content as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
        const put = parsePut({ handle: 'h', content: base64(content) }, 300)
        expect(put.content.equals(content)).toBe(true)
      }),
    )
  })

  test.each([
    ['no base64', 'h', 'a', 'ERR_INVALID_INPUT'],
    ['base64 that spells no bytes', 'h', 'YQ=', 'ERR_INVALID_INPUT'],
    ['base64 with stray bits', 'h', 'YR==', 'ERR_INVALID_INPUT'],
    ['an empty handle', '', 'YQ==', 'ERR_INVALID_INPUT'],
    ['a long handle', 'a'.repeat(129), 'YQ==', 'ERR_INVALID_INPUT'],
    ['a path as handle', '../a', 'YQ==', 'ERR_INVALID_INPUT'],
    ['one byte too many', 'h', base64(Buffer.alloc(11)), 'ERR_TOO_LARGE'],
    ['far too much', 'h', 'A'.repeat(10_000_000), 'ERR_TOO_LARGE'],
  ])('refuses %s', (_, handle, content, code) => {
    expect(codeOf(() => parsePut({ handle, content }, 10))).toBe(code)
  })

  test('lets content that was sealed on the client be longer by what that adds', () => {
    const sealed = (bytes: number) =>
      base64(Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(bytes)]))
    const handle = 'h'
    expect(codeOf(() => parsePut({ handle, content: sealed(5_000) }, 10))).toBe('none')
    expect(codeOf(() => parsePut({ handle, content: sealed(clientSealingBytes) }, 10))).toBe(
      'ERR_TOO_LARGE',
    )
  })

  test('refuses both conditions at once', () => {
    const raw = { handle: 'h', content: '', ifNoneMatch: '*', ifMatch: 1 } as const
    expect(codeOf(() => parsePut(raw, 10))).toBe('ERR_INVALID_INPUT')
  })
})

describe('parseConditions', () => {
  test.each([
    [{}, {}],
    [{ 'if-none-match': '*' }, { ifNoneMatch: '*' }],
    [{ 'if-match': '"12"' }, { ifMatch: 12 }],
  ])('%j', (headers, conditions) => {
    expect(parseConditions(headers)).toEqual(conditions)
  })

  test.each([
    [{ 'if-none-match': '"1"' }],
    [{ 'if-match': '*' }],
    [{ 'if-match': '"0"' }],
    [{ 'if-match': 'W/"1"' }],
    [{ 'if-match': '"1", "2"' }],
    [{ 'if-match': '"9999999999"' }],
  ])('refuses %j', (headers) => {
    expect(codeOf(() => parseConditions(headers))).toBe('ERR_INVALID_INPUT')
  })
})

test('a handle may stand once in a batch, removes included', () => {
  const put = parsePut({ handle: 'a', content: '' }, 10)
  expect(codeOf(() => requireDistinctHandles([put, put], []))).toBe('ERR_INVALID_INPUT')
  expect(codeOf(() => requireDistinctHandles([put], [put.handle]))).toBe('ERR_INVALID_INPUT')
  expect(codeOf(() => requireDistinctHandles([put], []))).toBe('none')
})

describe('requestHash', () => {
  const grants = openGrants(SecretBytes.random(32))
  const request = (changes: object = {}, operation: StoreRequest['operation'] = 'put') => {
    const put = { ...parsePut({ handle: 'a', content: 'YQ==' }, 10), ...changes }
    return requestHash(grants, { operation, requestId: newUuid(), puts: [put], removes: [] })
  }

  test('is the same for the same request under any id, and another for any other request', () => {
    const hashes = [
      request(),
      request({ content: Buffer.from('b') }),
      request({ handle: 'b' }),
      request({ scope: 'service' }),
      request({ onlyNew: true }),
      request({ replaces: 1 }),
      request({}, 'put-batch'),
    ]
    expect(request()).toBe(hashes[0])
    expect(new Set(hashes).size).toBe(hashes.length)
  })

  test('says nothing about the content without the key', () => {
    const other = openGrants(SecretBytes.random(32))
    const put = parsePut({ handle: 'a', content: 'YQ==' }, 10)
    const order: StoreRequest = { operation: 'put', requestId: newUuid(), puts: [put], removes: [] }
    expect(requestHash(other, order)).not.toBe(requestHash(grants, order))
  })
})
