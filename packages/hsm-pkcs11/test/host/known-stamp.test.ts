import { expect, test } from 'vitest'
import { KnownStamp } from '../../src/host/known-stamp.js'

test('is unknown until the token was read, and follows our own writes', () => {
  const stamp = new KnownStamp()
  stamp.follow('createKey', { before: 'a', after: 'b' })
  expect(stamp.value).toBeUndefined()
  stamp.follow('scanObjects', { before: 'b', after: 'b' })
  stamp.follow('createKey', { before: 'b', after: 'c' })
  stamp.filled()
  expect(stamp.value).toBe('c')
  stamp.follow('destroyObject', { before: 'c', after: 'd' })
  expect(stamp.value).toBe('d')
})

test('stays behind when somebody else wrote, until the token is read again', () => {
  const stamp = new KnownStamp()
  stamp.follow('scanObjects', { before: 'a', after: 'a' })
  stamp.filled()
  stamp.follow('createKey', { before: 'x', after: 'y' })
  expect(stamp.value).toBe('a')
  stamp.follow('scanObjects', { before: 'y', after: 'y' })
  expect(stamp.value).toBe('a')
  stamp.filled()
  expect(stamp.value).toBe('y')
})
