import { DomainError, type ErrorCode, errorTraits } from '@keyhsm/core'
import { fromProblem, statusOf } from '@keyhsm/protocol'
import { describe, expect, it } from 'vitest'
import { problemOf, retryAfterSeconds, toRefusal } from '../../src/http/reply-problem.js'

const codes = Object.keys(errorTraits) as ErrorCode[]
const hidden: ErrorCode[] = ['ERR_INTERNAL', 'ERR_SETTINGS']

describe('a problem document', () => {
  it.each(codes.filter((code) => !hidden.includes(code)))(
    '%s comes back as the same error',
    (code) => {
      const error = new DomainError(code, 'for the caller', { cause: new Error('SECRET') })
      const refusal = toRefusal(error)
      expect(refusal.status).toBe(statusOf[code])
      const problem = problemOf(refusal, 'id')
      expect(fromProblem(problem.status, JSON.parse(JSON.stringify(problem)))).toMatchObject({
        code,
        message: 'for the caller',
      })
      expect(JSON.stringify(problem)).not.toContain('SECRET')
    },
  )

  it.each(hidden)('%s says nothing of its own', (code) => {
    const problem = problemOf(toRefusal(new DomainError(code, 'SECRET')), 'id')
    expect(problem).toEqual({
      status: 500,
      code: 'ERR_INTERNAL',
      detail: 'internal error',
      requestId: 'id',
    })
  })

  it.each([undefined, null, 'x', 7, {}, new Error('x'), { code: 'FST_ERR_SOMETHING_NEW' }])(
    'of %s is an internal error that keeps the cause for the log',
    (thrown) => {
      const { error, status } = toRefusal(thrown)
      expect([error.code, status]).toEqual(['ERR_INTERNAL', 500])
      if (thrown !== undefined) expect(error.cause).toBe(thrown)
    },
  )
})

describe('Retry-After', () => {
  it('is in whole seconds, at least one, and only where trying again can help', () => {
    const of = (code: ErrorCode, retryAfterMs?: number) =>
      retryAfterSeconds(
        new DomainError(code, '', retryAfterMs === undefined ? {} : { retryAfterMs }),
      )
    expect(of('ERR_BUSY', 1)).toBe(1)
    expect(of('ERR_BUSY', 1001)).toBe(2)
    expect(of('ERR_QUOTA')).toBe(1)
    expect(of('ERR_NOT_FOUND')).toBeUndefined()
  })
})
