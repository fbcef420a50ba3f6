import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DataReader, dataForms, formatData } from '../../src/wire/data-element.js'
import { WireError } from '../../src/wire/wire-error.js'
import { feed } from '../support/feed.js'

const read = (bytes: Buffer, cuts: readonly number[] = [], most = 10_000) => {
  const reader = new DataReader(most)
  return feed(bytes, cuts, (queue) => reader.read(queue))
}
const forms = fc.constantFrom(...dataForms)
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each))

test('every form comes back, in chunks of any length, wherever it is cut, and what follows is left', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 100 })
  fc.assert(
    fc.property(bytes, forms, fc.integer({ min: 1, max: 50 }), cuts, (data, form, chunk, at) => {
      const tail = Buffer.from('<KeyInfoResponse>')
      const { result, left } = read(Buffer.concat([formatData(data, form, chunk), tail]), at)
      expect(result).toEqual(data)
      expect(left).toEqual(tail)
    }),
    { numRuns: 200 },
  )
})

test('it is cut at each single byte', () => {
  const data = Buffer.from('<Size>3</Size></Data>')
  for (const form of dataForms) {
    const written = formatData(data, form, 7)
    for (let at = 1; at < written.length; at++) expect(read(written, [at]).result).toEqual(data)
  }
})

test('white space between tags is passed over, and kept in chunks', () => {
  const { result } = read(Buffer.from('\n<Data>\n <Size> 2 </Size>  <Size>1</Size>x\n</Data>'))
  expect(result?.toString()).toBe('  x')
})

test('no data at all', () => {
  expect(read(Buffer.from('<Data></Data>')).result).toEqual(Buffer.alloc(0))
  expect(read(formatData(Buffer.alloc(0), 'DataSingle')).result).toEqual(Buffer.alloc(0))
})

test.each([
  ['another element', '<Date><Size>1</Size>x</Date>'],
  ['no element', 'Data'],
  ['a size that is no number', '<Data><Size>1e1</Size>'],
  ['a negative size', '<Data><Size>-1</Size>'],
  ['a size without digits', '<Data><Size></Size>'],
  ['an endless size', `<Data><Size>${'1'.repeat(9)}`],
  ['more than is allowed', '<Data><Size>6</Size>123456<Size>5</Size>'],
  ['two chunks in a single form', '<DataSingle><Size>1</Size>x<Size>1</Size>x</DataSingle>'],
  ['the end of another form', '<Data><Size>1</Size>x</Base64Data>'],
  ['text that is not base64', '<Base64Data><Size>4</Size>a*b=</Base64Data>'],
  ['an endless tag', `<${'D'.repeat(30)}`],
  ['bytes after the chunk', '<Data><Size>1</Size>xy</Data>'],
])('refused: %s', (_what, text) => {
  expect(() => read(Buffer.from(text), [], 10)).toThrow(WireError)
})

test('damaged data is refused or read, never anything else', () => {
  const damage = fc.tuple(fc.nat(), fc.nat({ max: 255 }))
  fc.assert(
    fc.property(bytes, forms, damage, (data, form, [where, byte]) => {
      const written = formatData(data, form, 5)
      written[where % written.length] = byte
      try {
        read(written)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
    { numRuns: 200 },
  )
})
