import { describe, expect, it } from 'vitest'
import { admit } from '../../src/http/access.js'
import type { Identity } from '../../src/http/route-request.js'

const client: Identity = {
  kind: 'client',
  name: 'c',
  fingerprint: '00' as never,
  organisation: 'o',
}

describe('admit', () => {
  it('gives the caller of the right kind with everything known of it', () => {
    expect(admit('client', client)).toBe(client)
  })

  it('tells a stranger from somebody else', () => {
    expect(() => admit('client', undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_NOT_AUTHENTICATED' }),
    )
    expect(() => admit('administrator', client)).toThrow(
      expect.objectContaining({
        code: 'ERR_NOT_ALLOWED',
        message: 'only an administrator may do this',
      }),
    )
  })
})
