import { readFile } from 'node:fs/promises'
import { DomainError } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { toTokenError } from '../../src/soft-token/durable-files.js'

const fileError = (code: string) =>
  Object.assign(new Error(`${code}: /a/secret/path`), { code, errno: -1 })

test.each([
  ['ENOSPC', 'ERR_HSM_FULL'],
  ['EDQUOT', 'ERR_HSM_FULL'],
  ['EROFS', 'ERR_HSM_REFUSED'],
  ['EACCES', 'ERR_HSM_UNAVAILABLE'],
  ['EIO', 'ERR_HSM_UNAVAILABLE'],
  ['EMFILE', 'ERR_HSM_UNAVAILABLE'],
])('%s is %s, without the path', (code, expected) => {
  const error = toTokenError(fileError(code))
  expect(error.code).toBe(expected)
  expect(error.message).not.toContain('path')
})

test('a real file system error is recognised', async () => {
  const error: unknown = await readFile('/nowhere/at/all').catch((reason: unknown) => reason)
  expect(toTokenError(error).code).toBe('ERR_HSM_UNAVAILABLE')
})

test('other errors stay what they are', () => {
  const known = new DomainError('ERR_CONFLICT', 'two')
  expect(toTokenError(known)).toBe(known)
  expect(toTokenError(new TypeError('a mistake of ours')).code).toBe('ERR_INTERNAL')
})
