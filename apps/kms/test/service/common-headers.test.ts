import { expect, it } from 'vitest'
import { commonHeaders } from '../../src/service/common-headers.js'

it('says that a reply is not to be kept, with the time of now', () => {
  const first = commonHeaders(1_795_320_924_141)
  expect(first).toMatchObject({ 'cache-control': 'no-cache', pragma: 'no-cache' })
  expect(first.expires).toBe('Sun, 22 Nov 2026 04:15:24 GMT')
  expect(commonHeaders(1_795_320_924_999)).toBe(first)
  expect(commonHeaders(1_795_320_925_000).expires).toBe('Sun, 22 Nov 2026 04:15:25 GMT')
})
