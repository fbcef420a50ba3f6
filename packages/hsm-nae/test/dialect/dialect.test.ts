import { hasCode } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { defaultDialect, parseDialect } from '../../src/dialect/dialect.js'
import { classifyFailure } from '../../src/dialect/failure-classes.js'

test('overrides replace single rows', () => {
  const text = 'authUser=User, oaepSha256 = RSA/None/OAEP=256 , versions=3.1 2.10'
  const dialect = parseDialect(text)
  expect(dialect.names).toEqual({ ...defaultDialect.names, authUser: 'User' })
  expect(dialect.values.oaepSha256).toBe('RSA/None/OAEP=256')
  expect(dialect.versions).toEqual(['3.1', '2.10'])
  expect(parseDialect('')).toEqual(defaultDialect)
})

test('every bad override is named', () => {
  const text = 'authUsr=User,authUser=a b,aesGcm=,versions=new,nothing'
  try {
    parseDialect(text, 'keysecure.dialect')
    expect.unreachable()
  } catch (error) {
    expect(hasCode(error, 'ERR_SETTINGS')).toBe(true)
    expect(error).toMatchObject({
      faults: [
        { field: 'keysecure.dialect', rule: '"authUsr" is no name of the dialect' },
        { field: 'keysecure.dialect', rule: 'authUser must be the name of an XML element' },
        { field: 'keysecure.dialect', rule: 'aesGcm must be 1 to 64 printable characters' },
        {
          field: 'keysecure.dialect',
          rule: 'versions must be numbers such as 2.10, separated by spaces',
        },
        { field: 'keysecure.dialect', rule: '"nothing" is no name of the dialect' },
      ],
    })
  }
})

test.each([
  ['1101: Authentication failed: invalid password', 'login-refused'],
  ['User keyhsm is locked', 'unknown'],
  ['The session is not authenticated', 'session-lost'],
  ['Unknown key', 'missing-or-forbidden'],
  ['Key keyhsm-00 does not exist', 'missing-or-forbidden'],
  ['Insufficient permissions', 'forbidden'],
  ['A key with this name already exists', 'exists'],
  ['Key is not deletable', 'not-deletable'],
  ['Key version is Retired', 'key-disabled'],
  ['Maximum number of keys reached', 'full'],
  ['Bad padding', 'bad-ciphertext'],
  ['Request timeout', 'busy'],
  ['Malformed XML', 'bad-request'],
  ['1303', 'unknown'],
  ['', 'unknown'],
])('"%s" means %s', (text, means) => {
  expect(classifyFailure(text)).toBe(means)
})
