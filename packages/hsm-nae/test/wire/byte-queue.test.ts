import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteQueue } from '../../src/wire/byte-queue.js'

test('it gives back what was appended, in order, however it is taken', () => {
  const steps = fc.array(fc.tuple(fc.uint8Array({ maxLength: 3000 }), fc.nat({ max: 4000 })))
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new ByteQueue()
      let model = Buffer.alloc(0)
      for (const [bytes, wanted] of all) {
        queue.append(Buffer.from(bytes))
        model = Buffer.concat([model, bytes])
        const count = Math.min(wanted, model.length)
        expect(queue.indexOf(0x3e, count)).toBe(model.indexOf(0x3e, count))
        expect(queue.take(count)).toEqual(model.subarray(0, count))
        model = model.subarray(count)
        expect(queue.length).toBe(model.length)
        expect(queue.at(0)).toBe(model[0])
      }
    }),
    { numRuns: 60 },
  )
})

test('it keeps its own copy of what was appended', () => {
  const queue = new ByteQueue()
  const chunk = Buffer.from('abc')
  queue.append(chunk)
  chunk.fill(0)
  expect(queue.take(3).toString()).toBe('abc')
  expect(queue.at(0)).toBeUndefined()
})
