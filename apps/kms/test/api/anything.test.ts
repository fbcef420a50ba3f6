/** Whatever callers send: a status that the protocol names, a body that Hadoop's client can read, and nothing changed by a refusal. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

let kms: TestKms
let cookie = ''
beforeAll(async () => {
  kms = await makeTestKms()
  await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k1' } })
  const { headers } = await kms.ask('/v1/keys/names', { user: 'alice' })
  cookie = headers['set-cookie']?.split(';')[0] ?? ''
})
afterAll(() => kms.close())

const part = fc.oneof(
  fc.constantFrom(
    'k1',
    'none',
    'k1@0',
    'k1@1',
    'k1@-1',
    'k1@1e9',
    '',
    '@',
    '%2F',
    '%',
    '%ff',
    'a+b',
    '_eek',
  ),
  fc.string({ maxLength: 12, unit: 'grapheme' }).map(encodeURIComponent),
  fc.constant('z'.repeat(3_000)),
)
const path = fc.oneof(
  fc.constantFrom(
    '/v1/keys',
    '/v1/keys/names',
    '/v1/keys/metadata',
    '/v1',
    '/',
    '/v1/keys/',
    '/v2/keys',
  ),
  fc
    .tuple(
      fc.constantFrom('key', 'keyversion', 'trustee/key', 'keys', '..'),
      part,
      fc.constantFrom(
        '',
        '/_metadata',
        '/_eek',
        '/_versions',
        '/_currentversion',
        '/_reencryptbatch',
        '/_invalidatecache',
        '/',
      ),
    )
    .map(([kind, name, suffix]) => `/v1/${kind}/${name}${suffix}`),
)
const query = fc.oneof(
  fc.constantFrom(
    'eek_op=generate',
    'eek_op=decrypt',
    'eek_op=reencrypt',
    'eek_op=',
    'num_keys=-1',
    'trusteeOp=purge',
    'eek_op=generate&num_keys=-7',
    'eek_op=generate&num_keys=1e3',
    'eek_op=generate&num_keys=1001',
    'key=k1&key=',
    'op=RENEWDELEGATIONTOKEN&token=x',
    'op=CANCELDELEGATIONTOKEN',
    'op=getdelegationtoken',
    'doAs=',
    'doAs=bob',
    'delegation=AA',
  ),
  fc.string({ maxLength: 20 }).map(encodeURIComponent),
)
const value = fc.oneof(
  fc.constantFrom(
    'k1',
    'other',
    '',
    'AAAAAAAAAAAAAAAAAAAAAA',
    'AAAA',
    '****',
    -1,
    1e300,
    0.5,
    null,
    true,
  ),
  fc.string({ maxLength: 40 }),
  fc.jsonValue({ maxDepth: 2 }),
)
const fields = fc.dictionary(
  fc.constantFrom(
    'name',
    'cipher',
    'length',
    'material',
    'description',
    'attributes',
    'iv',
    'versionName',
    'encryptedKeyVersion',
    '__proto__',
  ),
  value,
)
const body = fc.oneof(
  fc.constantFrom(
    undefined,
    '',
    '{',
    '[]',
    '[{}]',
    'null',
    '"x"',
    '\u0000',
    '{"name":"k1"'.repeat(50),
  ),
  fields.map((object) => JSON.stringify(object)),
  fc.array(fields, { maxLength: 3 }).map((list) => JSON.stringify(list)),
)
const headers = fc.constantFrom<Record<string, string>>(
  {},
  { cookie: 'hadoop.auth="u=alice&p=alice&t=simple-dt&e=99999999999999&s=x"' },
  { cookie: 'hadoop.auth=' },
  { cookie: ';;=;hadoop.auth' },
  { 'x-hadoop-delegation-token': 'IwAFYWxpY2U' },
  { 'x-hadoop-delegation-token': '' },
  { 'user-agent': 'Java/17' },
)
const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE')

const refusals = [400, 401, 403, 404, 405]
/** What Hadoop's own KMS answers with 500: the state of keys, for which its client asks the next instance. */
const stateful =
  /already exists|Wrong key length|Can't find Metadata|not found|does not exist|No KeyVersion exists|Wrong IV length|No deleted key/

describe('any request', () => {
  it('is answered by a status of the protocol, and changes nothing when it is refused', async () => {
    const request = fc.record({ method, path, query, body, headers, known: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(request, async ({ known, ...sent }) => {
        const before = JSON.stringify([...kms.vault.rows])
        const { path: target, query: asked, ...rest } = sent
        const got = await kms.ask(`${target}?${asked}`, {
          method: rest.method,
          ...(rest.body === undefined ? {} : { body: rest.body }),
          headers: known ? { ...rest.headers, cookie } : rest.headers,
        })
        if (got.status < 300) return
        expect(JSON.stringify([...kms.vault.rows])).toBe(before)
        if (got.status === 500) expect(got.json.RemoteException.message).toMatch(stateful)
        else expect(refusals).toContain(got.status)
        const { exception, javaClassName } = got.json?.RemoteException ?? {}
        if (got.json) expect(javaClassName.split('.').at(-1)).toBe(exception)
        expect(
          kms.faults.filter((fault) => (fault as { code?: string }).code === 'ERR_INTERNAL'),
        ).toEqual([])
      }),
      { numRuns: 1_500 },
    )
  })

  it('with a cookie or token cut anywhere, or with any byte changed, is not believed', async () => {
    const got = await kms.ask('/v1/?op=GETDELEGATIONTOKEN&renewer=yarn', { headers: { cookie } })
    const token: string = got.json.Token.urlString
    const status = async (given: Record<string, string>) =>
      (await kms.ask('/v1/keys/names', { headers: given })).status
    expect([
      await status({ cookie }),
      await status({ 'x-hadoop-delegation-token': token }),
    ]).toEqual([200, 200])
    const start = cookie.indexOf('=') + 2
    for (let at = start; at < cookie.length - 1; at += 7) {
      const other = cookie[at] === 'A' ? 'B' : 'A'
      expect(await status({ cookie: `${cookie.slice(0, at)}"` }), `cut at ${at}`).toBe(401)
      const changed = `${cookie.slice(0, at)}${other}${cookie.slice(at + 1)}`
      expect(await status({ cookie: changed }), `changed at ${at}`).toBe(401)
    }
    // Kind and service at its end are the client's own business.
    const bytes = Buffer.from(token, 'base64url')
    const signed = bytes.indexOf(Buffer.from('kms-dt')) - 1
    for (let at = 0; at < signed; at += 3) {
      const changed = Buffer.from(bytes)
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at)
      const given = { 'x-hadoop-delegation-token': changed.toString('base64url') }
      expect(await status(given), `token changed at ${at}`).toBe(403)
      const cut = { 'x-hadoop-delegation-token': bytes.subarray(0, at + 1).toString('base64url') }
      expect(await status(cut), `token cut at ${at}`).toBe(403)
    }
  })
})
