import { DomainError, type ErrorCode, errorTraits } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { fromProblem, statusOf, toProblem } from '../src/problem.js'

const codes = Object.keys(errorTraits) as ErrorCode[]
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('problem', () => {
  it('has a status of failure for every code and for nothing else', () => {
    expect(Object.keys(statusOf).sort()).toEqual([...codes].sort())
    for (const code of codes)
      expect([code, statusOf[code] >= 400 && statusOf[code] < 600]).toEqual([code, true])
  })

  it.each(codes)('%s comes back as the same error', (code) => {
    const error = new DomainError(code, 'what happened', {
      cause: new Error('SECRET'),
      faults: [{ field: 'a', rule: 'must be b', line: 3 }],
      retryAfterMs: 1500,
      hints: ['for the log of the server'],
    })
    const problem = toProblem(error, 'id')
    expect(JSON.stringify(problem)).not.toContain('SECRET')
    const back = fromProblem(problem.status, overTheWire(problem))
    expect(back).toBeInstanceOf(DomainError)
    expect(back).toMatchObject({
      code,
      message: 'what happened',
      faults: [{ field: 'a', rule: 'must be b', line: 3 }],
      retryAfterMs: 1500,
    })
    expect(back.cause).toBeUndefined()
  })

  it('leaves out what there is nothing of', () => {
    expect(toProblem(new DomainError('ERR_NOT_FOUND', 'x'))).toEqual({
      status: 404,
      code: 'ERR_NOT_FOUND',
      detail: 'x',
    })
  })

  it.each([
    undefined,
    null,
    'text',
    7,
    [],
    {},
    { code: 'ERR_NEVER_HEARD_OF' },
    { code: 'toString' },
    { code: 'constructor' },
    { code: '__proto__' },
    { code: 5 },
  ])('takes a body of %j for an answer of somebody else', (body) => {
    expect(fromProblem(502, body)).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: 'the server answered status 502 without a problem document',
    })
  })

  it('keeps a known code when the rest is broken', () => {
    const back = fromProblem(404, { code: 'ERR_NOT_FOUND', faults: 'x', retryAfterMs: 'soon' })
    expect(back).toMatchObject({ code: 'ERR_NOT_FOUND', message: 'no detail', faults: [] })
    expect(back.retryAfterMs).toBeUndefined()
  })
})
