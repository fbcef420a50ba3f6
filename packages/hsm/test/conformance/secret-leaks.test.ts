import { inspect } from 'node:util'
import { DomainError } from '@keyhsm/core'
import { describe, expect, test } from 'vitest'
import { leaks, spellingsOf } from '../../src/conformance/secret-leaks.js'

const secret = Buffer.from('MARKED-SECRET-16')
const spellings = spellingsOf(secret)
const inside = (before: number) =>
  Buffer.concat([Buffer.alloc(before, 1), secret, Buffer.alloc(9, 2)])
const hex = secret.toString('hex')

describe('leaks', () => {
  test.each<[string, unknown]>([
    ['a message', new Error(`bad ${secret.toString()}`)],
    ['upper-case hex', new Error(hex.toUpperCase())],
    ['base64 at its start', new Error(inside(0).toString('base64'))],
    ['base64 one byte on', new Error(inside(1).toString('base64'))],
    ['base64 two bytes on', new Error(inside(2).toString('base64'))],
    ['base64url', new Error(inside(3).toString('base64url'))],
    ['a cause', new Error('bad', { cause: new Error('worse', { cause: secret }) })],
    ['a Buffer property', Object.assign(new Error('bad'), { key: inside(4) })],
    ['a typed array', { key: new Uint8Array(inside(5)) }],
    ['an inspected list', inspect([...inside(6)], { compact: false, maxArrayLength: null })],
    ['a hint', new DomainError('ERR_HSM_LOGIN', 'no', { hints: [secret.toString()] })],
    ['toJSON only', { toJSON: () => ({ hex }), [inspect.custom]: () => '[hidden]' }],
    ['a nested object', { a: { b: { c: { d: { e: secret.toString() } } } } }],
  ])('finds a secret in %s', (_name, value) => {
    expect(leaks(value, spellings)).toBe(true)
  })

  test('finds nothing where nothing is', () => {
    const cyclic: { self?: unknown; big: bigint } = { big: 1n }
    cyclic.self = cyclic
    const others = [
      undefined,
      null,
      'text',
      cyclic,
      new Error('x', { cause: new Error(hex.slice(2)) }),
    ]
    expect(others.map((value) => leaks(value, spellings))).toEqual(others.map(() => false))
  })
})
