import { afterEach, describe, expect, it } from 'vitest'
import { DomainError } from '@keyhsm/core'
import { makeTestKms, type TestKms, type TestKmsOptions } from '../support/test-kms.js'

const open: TestKms[] = []
afterEach(() => {
  for (const kms of open.splice(0)) kms.close()
})
async function make(options?: TestKmsOptions): Promise<TestKms> {
  const kms = await makeTestKms(options)
  open.push(kms)
  return kms
}
const cookieOf = (header = '') => ({ cookie: header.split(';')[0] ?? '' })
const proxies = {
  'hadoop.kms.proxyuser.hive.users': 'alice,yarn',
  'hadoop.kms.proxyuser.hive.hosts': '127.0.0.1,10.0.0.0/8',
  'hadoop.kms.proxyuser.oozie.groups': 'staff',
  'hadoop.kms.proxyuser.oozie.hosts': '*',
}

describe('simple authentication', () => {
  it('asks who it is, then gives a cookie that is enough', async () => {
    const kms = await make()
    const asked = await kms.ask('/v1/keys/names', { method: 'OPTIONS' })
    expect([asked.status, asked.reason]).toEqual([401, 'Authentication required'])
    expect(asked.headers).toMatchObject({
      'www-authenticate': 'PseudoAuth',
      'set-cookie': 'hadoop.auth=; HttpOnly',
    })
    expect(kms.lines).toEqual([])
    const named = await kms.ask('/v1/keys/names', { method: 'OPTIONS', user: 'alice' })
    expect([named.status, named.text]).toEqual([200, ''])
    const header = named.headers['set-cookie']
    expect(header).toMatch(
      /^hadoop\.auth="u=alice&p=alice&t=simple-dt&e=\d+&s=[\w/+]{43}="; HttpOnly$/,
    )
    const got = await kms.ask('/v1/keys/names', { headers: cookieOf(header) })
    expect([got.status, got.headers['set-cookie']]).toEqual([200, undefined])
    expect((await kms.ask('/v1/', { method: 'OPTIONS', headers: cookieOf(header) })).status).toBe(
      200,
    )
  })

  it('audits who is not known, and says why a cookie is not believed', async () => {
    const kms = await make()
    const { headers } = await kms.ask('/v1/keys/names', { user: 'alice' })
    const cookie = cookieOf(headers['set-cookie'])
    const forged = { cookie: cookie.cookie.replace('u=alice', 'u=admin') }
    expect((await kms.ask('/v1/keys/names', { headers: forged })).reason).toContain(
      'Invalid signature',
    )
    expect((await kms.ask('/v1/keys/names', { headers: { cookie: 'hadoop.auth="' } })).status).toBe(
      401,
    )
    kms.clock.advance(36_000_001)
    const late = await kms.ask('/v1/keys/names', { headers: cookie })
    expect([late.status, late.reason]).toEqual([401, 'AuthenticationToken expired'])
    expect(kms.lines.filter((line) => line.startsWith('UNAUTHENTICATED'))).toHaveLength(3)
    const renewed = await kms.ask('/v1/keys/names', { headers: cookie, user: 'alice' })
    expect(renewed.status).toBe(200)
    expect(renewed.headers['set-cookie']).toContain('u=alice')
  })

  it('gives a cookie that ends when it is not used, where the site says so', async () => {
    const kms = await make({ authentication: { cookieIdleMs: 60_000 } })
    let { headers } = await kms.ask('/v1/keys/names', { user: 'alice' })
    expect(headers['set-cookie']).toContain(`&i=${kms.clock.ms + 60_000}&e=`)
    const end = /&e=(\d+)/.exec(headers['set-cookie'] ?? '')?.[1]
    const first = cookieOf(headers['set-cookie'])
    for (let i = 0; i < 3; i += 1) {
      kms.clock.advance(50_000)
      const got = await kms.ask('/v1/keys/names', { headers: cookieOf(headers['set-cookie']) })
      expect(got.status).toBe(200)
      headers = got.headers
    }
    // Its own end stays where it was.
    expect(headers['set-cookie']).toContain(`&e=${end}&`)
    const unused = await kms.ask('/v1/keys/names', { headers: first })
    expect([unused.status, unused.reason]).toEqual([401, 'AuthenticationToken expired'])
  })

  it('gives a cookie that every instance believes', async () => {
    const one = await make()
    const two = await make({ vault: one.vault, clock: one.clock })
    const { headers } = await one.ask('/v1/keys/names', { user: 'alice' })
    expect(
      (await two.ask('/v1/keys/names', { headers: cookieOf(headers['set-cookie']) })).status,
    ).toBe(200)
  })

  it('signs with a file’s secret where the site says so', async () => {
    const signatureSecret = Buffer.from('secret-of-32-bytes-0123456789abc')
    const kms = await make({ authentication: { signatureSecret, type: 'kerberos' } })
    const value =
      'u=alice&p=alice@EXAMPLE.COM&t=kerberos-dt&e=1800000000000&s=z7H3/VY+TpPvZLW0+BK5YtsPrOwdptXuhy/gC3kK/m0='
    expect(
      (await kms.ask('/v1/keys/names', { headers: { cookie: `hadoop.auth="${value}"` } })).status,
    ).toBe(200)
  })

  it.each(['a&b=c', ' ', 'a%0Ab', 'x'.repeat(256)])('refuses the user name %j', async (name) => {
    const kms = await make()
    const user = encodeURIComponent(decodeURIComponent(name))
    expect((await kms.ask('/v1/keys/names', { user })).status).toBe(400)
  })
})

describe('acting for others', () => {
  it('is allowed for users, groups and addresses that the site names', async () => {
    const kms = await make({ site: proxies, groups: { bob: ['staff'] } })
    const status = async (user: string, doAs: string, peer = '127.0.0.1') =>
      (await kms.ask(`/v1/keys/names?doAs=${doAs}`, { user, peer })).status
    expect(await status('hive', 'alice')).toBe(200)
    expect(await status('hive', 'alice', '10.1.2.3')).toBe(200)
    expect(await status('hive', 'bob')).toBe(403)
    expect(await status('hive', 'alice', '192.168.0.1')).toBe(403)
    expect(await status('oozie', 'bob', '192.168.0.1')).toBe(200)
    expect(await status('alice', 'bob')).toBe(403)
    const refused = await kms.ask('/v1/keys/names?DOAS=mallory', {
      method: 'OPTIONS',
      user: 'hive',
    })
    expect([refused.status, refused.reason]).toEqual([403, undefined])
    expect(refused.json.RemoteException).toMatchObject({
      exception: 'AuthorizationException',
      message: 'User: hive is not allowed to impersonate mallory',
    })
    const away = await kms.ask('/v1/keys/names?doAs=alice', { user: 'hive', peer: '192.168.0.9' })
    expect(away.json.RemoteException.message).toBe(
      'Unauthorized connection for super-user: hive from IP 192.168.0.9',
    )
  })

  it.each(['bob@OTHER', 'a/b/c', 'a\nb'])(
    'is refused as the caller’s fault for %j',
    async (name) => {
      const principal = { principal: 'hive@EXAMPLE.COM', reply: Buffer.alloc(0) }
      const kms = await make({
        site: proxies,
        authentication: { type: 'kerberos' },
        negotiator: { accept: async () => principal },
      })
      const headers = { authorization: 'Negotiate YQ==' }
      const other = encodeURIComponent(name)
      const asked = [
        `/v1/keys/names?doAs=${other}`,
        `/v1/?op=GETDELEGATIONTOKEN&doAs=${other}`,
        `/v1/?op=GETDELEGATIONTOKEN&renewer=${other}`,
      ]
      for (const path of asked) expect((await kms.ask(path, { headers })).status, path).toBe(400)
      expect(kms.faults).toEqual([])
    },
  )

  it('is audited when it is refused, with who wanted it', async () => {
    const kms = await make({ site: proxies })
    await kms.ask('/v1/keys/names?doAs=root', { user: 'hive' })
    await kms.ask('/v1/?op=GETDELEGATIONTOKEN&doAs=root', { user: 'hive' })
    const words = 'User: hive is not allowed to impersonate root'
    expect(kms.lines).toEqual([
      `UNAUTHENTICATED[user=hive] ErrorMsg:'${words}'`,
      `UNAUTHORIZED[op=GETDELEGATIONTOKEN, user=hive] ${words}`,
    ])
    expect(kms.entries).toEqual([
      expect.objectContaining({ actor: 'hive', outcome: 'refused' }),
      expect.objectContaining({ actor: 'hive', outcome: 'refused' }),
    ])
  })

  it('is audited with both names', async () => {
    const kms = await make({ site: proxies })
    await kms.ask('/v1/keys/names?doAs=alice', { user: 'hive' })
    expect(kms.lines).toEqual(['OK[op=GET_KEYS, user=alice] '])
    expect(kms.entries.at(-1)).toMatchObject({
      actor: 'alice',
      subject: { realUser: 'hive', peer: '127.0.0.1' },
    })
  })
})

describe('SPNEGO', () => {
  const negotiator = {
    accept: async (token: Buffer) => {
      if (token.toString() !== 'good')
        throw new DomainError('ERR_NOT_AUTHENTICATED', 'clock skew too great')
      return { principal: 'client/host@EXAMPLE.COM', reply: Buffer.from('reply') }
    },
  }
  const header = (token: string) => ({
    authorization: `Negotiate ${Buffer.from(token).toString('base64')}`,
  })

  it('asks to negotiate, then answers with its own token and a cookie', async () => {
    const kms = await make({ authentication: { type: 'kerberos' }, negotiator })
    const asked = await kms.ask('/v1/keys/names', { user: 'alice' })
    expect([asked.status, asked.headers['www-authenticate']]).toEqual([401, 'Negotiate'])
    const got = await kms.ask('/v1/keys/names', { headers: header('good') })
    expect(got.status).toBe(200)
    expect(got.headers['www-authenticate']).toBe(
      `Negotiate ${Buffer.from('reply').toString('base64')}`,
    )
    expect(got.headers['set-cookie']).toContain('u=client&p=client/host@EXAMPLE.COM&t=kerberos-dt')
    expect(kms.lines.at(-1)).toBe('OK[op=GET_KEYS, user=client/host@EXAMPLE.COM] ')
  })

  it('refuses a bad token for good, with the reason', async () => {
    const kms = await make({ authentication: { type: 'kerberos' }, negotiator })
    const got = await kms.ask('/v1/keys/names', { headers: header('bad') })
    expect([got.status, got.reason]).toEqual([403, 'clock skew too great'])
    expect(
      (await kms.ask('/v1/keys/names', { headers: { authorization: 'Basic x' } })).status,
    ).toBe(401)
  })

  it('does not take a principal that would be read as another one in a cookie', async () => {
    const accept = async () => ({
      principal: 'bob&u=alice@EXAMPLE.COM',
      reply: Buffer.from('reply'),
    })
    const kms = await make({ authentication: { type: 'kerberos' }, negotiator: { accept } })
    const got = await kms.ask('/v1/keys/names', { headers: header('good') })
    expect([got.status, got.headers['set-cookie']]).toEqual([400, undefined])
  })

  it('does not take a cookie of another type', async () => {
    const simple = await make()
    const { headers } = await simple.ask('/v1/keys/names', { user: 'alice' })
    const kms = await make({
      vault: simple.vault,
      clock: simple.clock,
      authentication: { type: 'kerberos' },
      negotiator,
    })
    const got = await kms.ask('/v1/keys/names', { headers: cookieOf(headers['set-cookie']) })
    expect([got.status, got.reason]).toEqual([401, 'Invalid AuthenticationToken type'])
  })
})

describe('delegation tokens', () => {
  const getToken = async (kms: TestKms, user: string, query = 'renewer=yarn') => {
    const { json } = await kms.ask(`/v1/?op=GETDELEGATIONTOKEN&${query}`, { user })
    return json.Token.urlString as string
  }
  const renew = (kms: TestKms, token: string, user = 'yarn') =>
    kms.ask(`/v1/?op=RENEWDELEGATIONTOKEN&token=${token}`, { method: 'PUT', user })
  const cancel = (kms: TestKms, token: string, headers = {}) =>
    kms.ask(`/v1/?op=CANCELDELEGATIONTOKEN&token=${token}`, { method: 'PUT', headers })
  const use = (kms: TestKms, token: string) =>
    kms.ask('/v1/keys/names', { headers: { 'x-hadoop-delegation-token': token } })

  it('speak for their owner on every instance, without a cookie', async () => {
    const one = await make()
    const two = await make({ vault: one.vault, clock: one.clock })
    const token = await getToken(one, 'alice')
    const got = await use(two, token)
    expect([got.status, got.headers['set-cookie']]).toEqual([200, undefined])
    expect(two.lines.at(-1)).toBe('OK[op=GET_KEYS, user=alice] ')
    expect((await two.ask(`/v1/keys/names?delegation=${token}`)).status).toBe(200)
    expect((await two.ask(`/v1/keys/names?doAs=root&delegation=${token}`)).status).toBe(200)
  })

  it('are renewed by their renewer alone, up to their end', async () => {
    const kms = await make()
    const token = await getToken(kms, 'alice')
    kms.clock.advance(1000)
    const first = await renew(kms, token)
    expect(first.json.long).toBe(kms.clock.ms + 86_400_000)
    kms.clock.advance(1000)
    expect((await renew(kms, token)).json.long).toBe(first.json.long + 1000)
    const other = await renew(kms, token, 'alice')
    expect(other.status).toBe(403)
    expect(other.reason).toMatch(
      /^org\.apache\.hadoop\.security\.AccessControlException: alice tries to renew a token \(kms-dt owner=alice, renewer=yarn, .*\) with non-matching renewer yarn$/,
    )
    kms.clock.advance(86_400_000 * 1.5)
    expect((await use(kms, token)).json.RemoteException.message).toContain('is expired')
    expect((await renew(kms, token)).reason).toContain('tried to renew an expired token')
  })

  it('end at their last day whatever was renewed', async () => {
    const kms = await make()
    const token = await getToken(kms, 'alice')
    for (let day = 0; day < 7; day += 1) {
      kms.clock.advance(86_000_000)
      await renew(kms, token)
    }
    const { json } = await renew(kms, token)
    expect(json.long).toBeLessThanOrEqual(1_700_000_000_000 + 604_800_000)
    kms.clock.advance(86_400_000)
    expect((await use(kms, token)).status).toBe(403)
  })

  it('are cancelled by whoever has them, for every instance, once', async () => {
    const one = await make()
    const two = await make({ vault: one.vault, clock: one.clock })
    const token = await getToken(one, 'alice')
    expect((await use(two, token)).status).toBe(200)
    expect((await cancel(one, token)).status).toBe(200)
    expect((await use(one, token)).json.RemoteException).toMatchObject({
      exception: 'AuthenticationException',
    })
    // What an instance remembers is bounded.
    one.clock.advance(5_001)
    expect((await use(two, token)).status).toBe(403)
    const again = await cancel(two, token)
    expect([again.status, again.reason]).toEqual([404, 'Invalid delegation token, cannot cancel'])
    expect((await renew(two, token)).reason).toContain('Renewal request for unknown token')
  })

  it('are not cancelled by somebody else’s cookie', async () => {
    const kms = await make()
    const token = await getToken(kms, 'alice')
    const { headers } = await kms.ask('/v1/keys/names', { user: 'mallory' })
    expect((await cancel(kms, token, cookieOf(headers['set-cookie']))).status).toBe(404)
    expect((await use(kms, token)).status).toBe(200)
  })

  it('are got for others by proxy users, and by nobody without credentials', async () => {
    const kms = await make({ site: proxies })
    const token = await getToken(kms, 'hive', 'doAs=alice')
    await use(kms, token)
    expect(kms.entries.at(-1)).toMatchObject({
      actor: 'alice',
      subject: { realUser: 'hive', by: 'token' },
    })
    expect((await kms.ask('/v1/?op=GETDELEGATIONTOKEN&doAs=root', { user: 'hive' })).status).toBe(
      403,
    )
    const bare = await kms.ask('/v1/?op=GETDELEGATIONTOKEN')
    expect([bare.status, bare.headers['www-authenticate'], bare.text]).toEqual([
      403,
      'PseudoAuth',
      '',
    ])
    const byToken = await kms.ask('/v1/?op=GETDELEGATIONTOKEN', {
      headers: { 'x-hadoop-delegation-token': token },
    })
    expect(byToken.status).toBe(403)
  })

  it('are audited, what is refused too', async () => {
    const kms = await make()
    const token = await getToken(kms, 'alice')
    const about = expect.stringMatching(/owner=alice renewer=yarn sequenceNumber=\d+$/)
    kms.lines.length = 0
    await renew(kms, token, 'mallory')
    await renew(kms, token)
    const { headers } = await kms.ask('/v1/keys/names', { user: 'mallory', method: 'OPTIONS' })
    await cancel(kms, token, cookieOf(headers['set-cookie']))
    await cancel(kms, token)
    await cancel(kms, token)
    await use(kms, token)
    expect(kms.lines).toEqual(Array.from({ length: 6 }, () => expect.any(String)))
    expect(kms.lines.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => about))
    expect(kms.lines.map((line) => line.replace(/\] .*/, ']'))).toEqual([
      'UNAUTHORIZED[op=RENEWDELEGATIONTOKEN, user=mallory]',
      'OK[op=RENEWDELEGATIONTOKEN, user=yarn]',
      'UNAUTHORIZED[op=CANCELDELEGATIONTOKEN, user=mallory]',
      'OK[op=CANCELDELEGATIONTOKEN, user=alice]',
      'UNAUTHORIZED[op=CANCELDELEGATIONTOKEN]',
      expect.stringMatching(/^UNAUTHENTICATED ErrorMsg:'.*can't be found in cache'$/),
    ])
  })

  it('are refused when forged, cut or garbage, and say so as JSON', async () => {
    const kms = await make()
    const token = await getToken(kms, 'alice')
    for (const bad of ['garbage', token.slice(0, 20), `${token}AA`, '%']) {
      const got = await use(kms, bad)
      expect([got.status, got.json.RemoteException.message]).toEqual([403, 'java.io.EOFException'])
    }
    const bytes = Buffer.from(token, 'base64url')
    bytes[4] = 'b'.charCodeAt(0)
    const forged = await use(kms, bytes.toString('base64url'))
    expect(forged.json.RemoteException.message).toContain("can't be found in cache")
    expect((await renew(kms, bytes.toString('base64url'))).reason).toContain('unknown token')
    expect((await cancel(kms, bytes.toString('base64url'))).status).toBe(404)
    expect((await cancel(kms, 'garbage')).status).toBe(403)
  })

  it('need the right method and a token', async () => {
    const kms = await make()
    const wrong = await kms.ask('/v1/?op=renewdelegationtoken', { user: 'yarn' })
    expect([wrong.status, wrong.reason]).toEqual([
      400,
      'Wrong HTTP method [GET] for operation [RENEWDELEGATIONTOKEN], it should be [PUT]',
    ])
    const none = await kms.ask('/v1/?op=RENEWDELEGATIONTOKEN', { method: 'PUT', user: 'yarn' })
    expect([none.status, none.reason]).toEqual([
      400,
      'Operation [RENEWDELEGATIONTOKEN] requires the parameter [token]',
    ])
    expect((await kms.ask('/v1/keys/names?op=SOMETHING', { user: 'alice' })).status).toBe(200)
  })

  it('leave nothing behind when their time is over', async () => {
    const kms = await make()
    await cancel(kms, await getToken(kms, 'alice'))
    expect(await kms.states.sweep()).toBe(0)
    kms.clock.advance(9 * 86_400_000)
    expect(await kms.states.sweep()).toBe(1)
  })
})
