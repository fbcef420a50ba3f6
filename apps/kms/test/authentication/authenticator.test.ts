import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Authenticator, type AuthenticatorOptions } from '../../src/authentication/authenticator.js'
import type { RequestParts } from '../../src/authentication/request-parts.js'
import { signCookie } from '../../src/authentication/signed-cookie.js'

const secret = randomBytes(32)
const begin = 1_800_000_000_000

/** Over secrets that a test changes; what no cookie needs is not there. */
function start() {
  const at = { now: begin, secrets: [secret] }
  const options: Partial<AuthenticatorOptions> = {
    settings: {
      type: 'simple',
      cookieValidityMs: 1000,
      cookieDomain: undefined,
      cookiePath: undefined,
      cookiePersistent: false,
      signatureSecret: undefined,
    },
    secrets: {
      accepted: () =>
        Promise.resolve(at.secrets.map((bytes) => ({ secret: bytes.toString('base64') }))),
    } as never,
    clock: { now: () => new Date(at.now) },
    onUnauthenticated: () => Promise.resolve(),
  }
  return { at, authenticator: new Authenticator(options as AuthenticatorOptions) }
}

const parts = (cookie: string) =>
  ({
    method: 'GET',
    query: new URLSearchParams(),
    cookie,
    peerAddress: '127.0.0.1',
    secure: true,
  }) as RequestParts

describe('a cookie', () => {
  it('that was believed once is not believed for ever after its secret was taken away', async () => {
    const { at, authenticator } = start()
    const claims = { user: 'alice', principal: 'alice', type: 'simple-dt', expiresAt: begin * 10 }
    const request = parts(signCookie(claims, secret))
    const believed = async () => 'caller' in (await authenticator.authenticate(request))
    expect(await believed()).toBe(true)
    at.secrets = [randomBytes(32)]
    at.now += 60_000
    expect(await believed()).toBe(false)
  })

  it('ends at its time, checked a moment before or not', async () => {
    const { at, authenticator } = start()
    const claims = { user: 'a', principal: 'a', type: 'simple-dt', expiresAt: begin + 1000 }
    const request = parts(signCookie(claims, secret))
    expect(await authenticator.authenticate(request)).toMatchObject({
      caller: { user: { short: 'a' }, by: 'cookie' },
    })
    at.now += 1001
    expect(await authenticator.authenticate(request)).toMatchObject({
      reply: { status: 401, reason: 'AuthenticationToken expired' },
    })
  })
})
