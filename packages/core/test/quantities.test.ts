import { describe, expect, it } from 'vitest'
import { parseBytes, parseDuration } from '../src/quantities.js'

const refusal = expect.objectContaining({
  code: 'ERR_INVALID_INPUT',
  faults: [expect.objectContaining({ field: 'size' })],
})

describe('parseBytes', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['64K', 65_536],
    ['64k', 65_536],
    ['1M', 1_048_576],
    ['10MB', 10_485_760],
    ['1MiB', 1_048_576],
    ['2 GB', 2_147_483_648],
    [' 5KB ', 5120],
  ])('%s', (text, bytes) => {
    expect(parseBytes(text, 'size')).toBe(bytes)
  })

  it.each(['', 'K', '-1', '1.5M', '1T', '1e3', '0x10', '1B', '1 000', '9'.repeat(13), '1M1'])(
    'refuses %j',
    (text) => {
      expect(() => parseBytes(text, 'size')).toThrow(refusal)
    },
  )
})

describe('parseDuration', () => {
  it.each([
    ['0ms', 0],
    ['250ms', 250],
    ['60s', 60_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['30d', 2_592_000_000],
    [' 1s ', 1000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text, 'size')).toBe(ms)
  })

  it.each(['', '5', 's', '-5s', '1.5h', '1w', '5 s', '5S', '1h30m', '9999999999s'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text, 'size')).toThrow(refusal)
    },
  )
})
