import { DomainError } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import {
  ConnectFailure,
  fromConnectionError,
  mayHaveBeenProcessed,
} from '../../src/transport/faults.js'

function errorWith(code: string): Error {
  return Object.assign(new Error('inner words'), { code })
}

describe('fromConnectionError', () => {
  it.each([
    ['ECONNRESET', 'ERR_UNAVAILABLE', true],
    ['UND_ERR_SOCKET', 'ERR_UNAVAILABLE', true],
    ['DEADLINE', 'ERR_UNAVAILABLE', true],
    ['EACCES', 'ERR_NOT_ALLOWED', false],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'ERR_NOT_AUTHENTICATED', false],
    ['CERT_HAS_EXPIRED', 'ERR_NOT_AUTHENTICATED', false],
    ['a code nobody knows', 'ERR_UNAVAILABLE', true],
  ])('translates %s', (code, expected, maybe) => {
    const error = fromConnectionError(errorWith(code), 'https://h')
    expect([error.code, mayHaveBeenProcessed(error)]).toEqual([expected, maybe])
    expect(error.message).toMatch(/^cannot talk to https:\/\/h: /)
    expect(error.message).not.toContain('inner words')
  })

  it('knows that nothing was sent when connecting failed', () => {
    const error = fromConnectionError(new ConnectFailure(errorWith('ECONNRESET')), 'https://h')
    expect([error.code, mayHaveBeenProcessed(error)]).toEqual(['ERR_UNAVAILABLE', false])
  })

  it('leaves our own errors alone', () => {
    const error = new DomainError('ERR_BUSY', 'busy')
    expect(fromConnectionError(error, 'https://h')).toBe(error)
  })
})

describe('mayHaveBeenProcessed', () => {
  it('is true unless the server refused', () => {
    const of = (code: ConstructorParameters<typeof DomainError>[0]) =>
      mayHaveBeenProcessed(new DomainError(code, 'x'))
    expect(['ERR_INTERNAL', 'ERR_HSM_UNAVAILABLE'].map((code) => of(code as never))).toEqual([
      true,
      true,
    ])
    expect(['ERR_NOT_FOUND', 'ERR_BUSY', 'ERR_QUOTA'].map((code) => of(code as never))).toEqual([
      false,
      false,
      false,
    ])
    expect(mayHaveBeenProcessed(new TypeError('bug'))).toBe(true)
  })
})
