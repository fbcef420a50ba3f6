import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  findCookie,
  formatSetCookie,
  openCookie,
  signCookie,
} from '../../src/authentication/signed-cookie.js'

const secret = Buffer.from('secret-of-32-bytes-0123456789abc')
const claims = {
  user: 'alice',
  principal: 'alice@EXAMPLE.COM',
  type: 'kerberos-dt',
  expiresAt: 1800000000000,
}
/** Made by Hadoop. */
const vector =
  'u=alice&p=alice@EXAMPLE.COM&t=kerberos-dt&e=1800000000000&s=z7H3/VY+TpPvZLW0+BK5YtsPrOwdptXuhy/gC3kK/m0='
const badSignature =
  'org.apache.hadoop.security.authentication.util.SignerException: Invalid signature'

describe('cookie', () => {
  it('is Hadoop’s to the byte', () => {
    expect(signCookie(claims, secret)).toBe(vector)
    expect(openCookie(vector, [secret], 1)).toEqual(claims)
  })

  it('is believed under any of the secrets, until its time is over', () => {
    const other = Buffer.from('another')
    expect(openCookie(vector, [other, secret], claims.expiresAt)).toEqual(claims)
    expect(openCookie(vector, [other], 1)).toBe(badSignature)
    expect(openCookie(vector, [secret], claims.expiresAt + 1)).toBe('AuthenticationToken expired')
    expect(openCookie('', [secret], 1)).toBe('Unauthorized access')
  })

  it('ends when it was not used in its time, whatever its end', () => {
    const idle = { ...claims, idleUntil: 1000 }
    const value = signCookie(idle, secret)
    expect(value).toContain('&t=kerberos-dt&i=1000&e=1800000000000&s=')
    expect(openCookie(value, [secret], 1000)).toEqual(idle)
    expect(openCookie(value, [secret], 1001)).toBe('AuthenticationToken expired')
    const strange = signCookie({ ...idle, idleUntil: Number.NaN }, secret)
    expect(openCookie(strange, [secret], 1)).toBe('Unauthorized access')
  })

  it('is not believed when any character is changed, or cut', () => {
    for (let at = 0; at < vector.length; at += 1) {
      const changed = vector.slice(0, at) + (vector[at] === 'x' ? 'y' : 'x') + vector.slice(at + 1)
      expect(typeof openCookie(changed, [secret], 1), changed).toBe('string')
      expect(typeof openCookie(vector.slice(0, at), [secret], 1)).toBe('string')
    }
  })

  it('never crashes on other texts', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof openCookie(text, [secret], 1) === 'string'))
  })

  it('is found among others, quotes taken off', () => {
    expect(findCookie(`a=b; hadoop.auth="${vector}"; c=d`)).toBe(vector)
    expect(findCookie(`hadoop.auth=${vector}`)).toBe(vector)
    expect(findCookie('hadoop.auth=')).toBe('')
    expect(findCookie('other=1')).toBeUndefined()
    expect(findCookie('xhadoop.auth=1; hadoop.authx=2; hadoop_auth=3')).toBeUndefined()
    expect(findCookie(`a=b ;  hadoop.auth = "${vector}" ; hadoop.auth=second`)).toBe(vector)
    expect(findCookie('hadoop.auth="a"b"')).toBe('a"b')
    expect(findCookie('hadoop.auth="half')).toBe('"half')
    expect(findCookie(undefined)).toBeUndefined()
  })

  it('is set quoted, without Max-Age, and with what settings say', () => {
    expect(formatSetCookie('v', { secure: false })).toBe('hadoop.auth="v"; HttpOnly')
    expect(formatSetCookie('', { secure: false })).toBe('hadoop.auth=; HttpOnly')
    const persistentUntil = new Date(0)
    expect(formatSetCookie('v', { secure: true, path: '/', domain: 'd', persistentUntil })).toBe(
      'hadoop.auth="v"; Path=/; Domain=d; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly',
    )
  })
})
