import { describe, expect, it } from 'vitest'
import {
  DomainError,
  type ErrorCode,
  errorTraits,
  hasCode,
  invalidInput,
  irretrievable,
  toDomainError,
} from '../src/errors.js'

describe('the table of codes', () => {
  it.each(Object.entries(errorTraits))(
    '%s ends a command with a status of failure',
    (code, trait) => {
      expect(code).toMatch(/^ERR_[A-Z]+(_[A-Z]+)*$/)
      expect(trait.exit).toBeGreaterThan(0)
      expect(trait.exit).toBeLessThan(126)
      // EX_TEMPFAIL and EX_UNAVAILABLE of sysexits(3) are the statuses a script may retry on.
      if (trait.retry) expect([69, 75]).toContain(trait.exit)
    },
  )
})

describe('DomainError', () => {
  it('has the code as its name, and nothing that was not given', () => {
    const error = new DomainError('ERR_NOT_FOUND', 'no such deposit')
    expect(error).toMatchObject({
      name: 'ERR_NOT_FOUND',
      message: 'no such deposit',
      faults: [],
      hints: [],
    })
    expect(error.retryAfterMs).toBeUndefined()
    expect('cause' in error).toBe(false)
  })

  it('keeps the cause out of its text and its JSON', () => {
    const error = new DomainError('ERR_INTERNAL', 'internal error', { cause: new Error('SECRET') })
    expect(error.message + JSON.stringify(error)).not.toContain('SECRET')
    expect((error.cause as Error).message).toBe('SECRET')
  })
})

describe('toDomainError', () => {
  it('leaves ours as they are and hides everything else', () => {
    const ours = irretrievable()
    expect(toDomainError(ours)).toBe(ours)
    for (const thrown of [
      new Error('SECRET'),
      'SECRET',
      undefined,
      null,
      { code: 'ERR_NOT_FOUND' },
    ]) {
      const error = toDomainError(thrown)
      expect([error.code, error.message]).toEqual(['ERR_INTERNAL', 'internal error'])
      expect(error.cause).toBe(thrown)
    }
  })
})

describe('the ways to make one', () => {
  it('invalidInput names field and rule', () => {
    expect(invalidInput('handle', 'is required')).toMatchObject({
      code: 'ERR_INVALID_INPUT',
      message: 'handle is required',
      faults: [{ field: 'handle', rule: 'is required' }],
    })
  })

  it('irretrievable has one text whatever the reason', () => {
    expect(irretrievable(new Error('revoked')).message).toBe(
      irretrievable(new Error('damaged')).message,
    )
  })

  it('hasCode tells them apart, and from look-alikes', () => {
    const error: unknown = irretrievable()
    expect(hasCode(error, 'ERR_IRRETRIEVABLE')).toBe(true)
    expect(hasCode(error, 'ERR_INTEGRITY')).toBe(false)
    expect(hasCode({ code: 'ERR_IRRETRIEVABLE' satisfies ErrorCode }, 'ERR_IRRETRIEVABLE')).toBe(
      false,
    )
    expect(hasCode(undefined, 'ERR_IRRETRIEVABLE')).toBe(false)
  })
})
