import { NoFields } from '@keyhsm/protocol'
import Type from 'typebox'
import { describe, expect, it } from 'vitest'
import { integerFields, invalidRequest, withIntegers } from '../../src/http/validation.js'

const fault = (keyword: string, params: Record<string, unknown> = {}, instancePath = '/a') => ({
  keyword,
  params,
  instancePath,
})

describe('invalidRequest', () => {
  it.each([
    [fault('minLength', { limit: 2 }), 'a must be at least 2 characters'],
    [fault('maximum', { limit: 9 }), 'a must be at most 9'],
    [fault('minItems', { limit: 1 }), 'a must have at least 1 items'],
    [fault('maxItems', { limit: 3 }), 'a must have at most 3 items'],
    [fault('enum', { allowedValues: ['x', 'y'] }), 'a must be one of x, y'],
    [fault('const', { allowedValue: '*' }), 'a must be *'],
    [fault('type', { type: 'integer' }, ''), 'body must be an integer'],
    [fault('somethingNew', { secret: 1 }), 'a is not valid'],
    [fault('required', { missingProperty: 'b' }, '/a/0'), 'a[0].b is required'],
  ])('%j', (given, message) => {
    expect(invalidRequest([given], 'body')).toMatchObject({ code: 'ERR_INVALID_INPUT', message })
  })

  it('says something even when it is told nothing', () => {
    expect(invalidRequest([], 'query').message).toBe('query is not valid')
  })
})

describe('withIntegers', () => {
  const fields = integerFields(Type.Object({ n: Type.Optional(Type.Integer()), s: Type.String() }))

  it('converts what is declared and plain decimal, and leaves its input alone', () => {
    expect(integerFields(NoFields)).toEqual([])
    const query = { n: '-12', s: '12' }
    expect(withIntegers(query, fields)).toEqual({ n: -12, s: '12' })
    expect(query.n).toBe('-12')
  })

  it.each(['', ' 1', '1e3', '0x1', '1.0', '٣', '9'.repeat(16), ['1', '2']])('leaves %j', (n) => {
    expect(withIntegers({ n }, fields)).toEqual({ n })
  })
})
