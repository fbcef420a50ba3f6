import { describe, expect, it } from 'vitest'
import { Closers } from '../src/closers.js'

describe('Closers', () => {
  it('closes in the reverse order, everything, once', async () => {
    const order: string[] = []
    const closers = new Closers()
    closers.add(() => void order.push('first'))
    closers.add(async () => {
      order.push('second')
      throw new Error('does not close')
    })
    closers.add(() => {
      order.push('third')
      throw new Error('does not close either')
    })
    await expect(closers.closeAll()).rejects.toThrow('does not close either')
    await closers.closeAll()
    expect(order).toEqual(['third', 'second', 'first'])
  })
})
