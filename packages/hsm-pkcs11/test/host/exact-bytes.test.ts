import { expect, test } from 'vitest'
import { withBuffers, withExactBytes, wipeBytes } from '../../src/host/exact-bytes.js'

test('views are cut out of what they were part of', () => {
  const pool = Buffer.from('neighbour secret neighbour')
  const exact = withExactBytes({ part: pool.subarray(10, 16), list: [pool.subarray(0, 2), 7] })
  const { part, list } = exact as { part: Uint8Array; list: [Uint8Array, number] }
  expect(Buffer.from(part).toString()).toBe('secret')
  expect([part.buffer.byteLength, list[0].buffer.byteLength, list[1]]).toEqual([6, 2, 7])
})

test('after a clone the bytes are Buffers again, on the same memory', () => {
  const message = { name: 'x', args: { key: Buffer.from('key'), none: undefined, flag: true } }
  const arrived = structuredClone(withExactBytes(message))
  const back = withBuffers(arrived) as typeof message
  expect(back).toEqual(message)
  expect(Buffer.isBuffer(back.args.key)).toBe(true)
})

test('every byte string inside is wiped', () => {
  const [one, two] = [Buffer.from('one'), Buffer.from('two')]
  wipeBytes({ one, deep: [{ two }], text: 'x', number: 1, nothing: null })
  expect([...one, ...two]).toEqual([0, 0, 0, 0, 0, 0])
})
