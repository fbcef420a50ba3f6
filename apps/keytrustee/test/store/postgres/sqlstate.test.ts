import { DomainError, type ErrorCode } from '@keyhsm/core'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { refusesCommit, translate, worthRepeating } from '../../../src/store/postgres/sqlstate.js'

function fromServer(code: string): pg.DatabaseError {
  const error = new pg.DatabaseError('secret words of the server: /var/lib/postgresql', 1, 'error')
  return Object.assign(error, { code })
}

describe('translate', () => {
  const table: readonly (readonly [string, ErrorCode])[] = [
    ['23505', 'ERR_ALREADY_EXISTS'],
    ['23503', 'ERR_NOT_FOUND'],
    ['23514', 'ERR_INTERNAL'],
    ['22P02', 'ERR_INTERNAL'],
    ['42P01', 'ERR_INTERNAL'],
    ['25006', 'ERR_STORE_UNAVAILABLE'],
    ['25P03', 'ERR_STORE_UNAVAILABLE'],
    ['40001', 'ERR_BUSY'],
    ['40P01', 'ERR_BUSY'],
    ['55P03', 'ERR_BUSY'],
    ['57014', 'ERR_STORE_UNAVAILABLE'],
    ['08006', 'ERR_STORE_UNAVAILABLE'],
    ['53100', 'ERR_STORE_UNAVAILABLE'],
    ['53300', 'ERR_STORE_UNAVAILABLE'],
    ['57P01', 'ERR_STORE_UNAVAILABLE'],
    ['57P02', 'ERR_STORE_UNAVAILABLE'],
    ['57P03', 'ERR_STORE_UNAVAILABLE'],
    ['28P01', 'ERR_STORE_UNAVAILABLE'],
    ['58030', 'ERR_STORE_UNAVAILABLE'],
    ['XX001', 'ERR_STORE_UNAVAILABLE'],
  ]
  it.each(table)('%s becomes %s, and keeps its words for the log', (state, code) => {
    const cause = fromServer(state)
    const error = translate(cause)
    expect(error).toMatchObject({ code, cause })
    expect(error.message).not.toContain('secret')
  })

  it('takes what did not come from PostgreSQL as unavailable, but a mistake of ours as internal', () => {
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
    expect(translate(refused).code).toBe('ERR_STORE_UNAVAILABLE')
    expect(translate(new AggregateError([refused])).code).toBe('ERR_STORE_UNAVAILABLE')
    expect(translate(new TypeError('undefined is not a function')).code).toBe('ERR_INTERNAL')
  })

  it('leaves our own errors alone', () => {
    const own = new DomainError('ERR_CONFLICT', 'changed')
    expect(translate(own)).toBe(own)
  })
})

describe('worthRepeating', () => {
  it('is for serialisation failures and deadlocks only', () => {
    const repeated = ['40001', '40P01', '23505', '55P03', '57P01'].filter((state) =>
      worthRepeating(translate(fromServer(state))),
    )
    expect(repeated).toEqual(['40001', '40P01'])
    expect(worthRepeating(new Error('other'))).toBe(false)
  })
})

describe('refusesCommit', () => {
  it('believes a refusal, and nothing that may come after the commit record', () => {
    const states = [
      '23505',
      '25P02',
      '40001',
      '57014',
      '57P01',
      '57P02',
      '08006',
      '53100',
      '58030',
      'XX000',
    ]
    const certain = states.filter((state) => refusesCommit(fromServer(state)))
    expect(certain).toEqual(['23505', '25P02', '40001', '57014'])
    expect(refusesCommit(new Error('Connection terminated unexpectedly'))).toBe(false)
  })
})
