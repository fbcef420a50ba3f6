/** Clients that are not Hadoop's own, each with what it does otherwise. @see docs/protocols/hadoop-kms.md */
import { afterEach, expect, it } from 'vitest'
import { makeTestKms, type TestKms, type TestKmsOptions } from '../support/test-kms.js'

let kms: TestKms
afterEach(() => kms.close())

async function start(options?: TestKmsOptions): Promise<{ iv: string; material: string }> {
  kms = await makeTestKms(options)
  await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k' } })
  const { json } = await kms.ask('/v1/key/k/_eek?eek_op=generate&num_keys=1', { user: 'alice' })
  const [{ iv, encryptedKeyVersion }] = json
  return { iv, material: encryptedKeyVersion.material }
}
const decryptPath = '/v1/keyversion/k@0/_eek?eek_op=decrypt'
const ticket = { headers: { authorization: `Negotiate ${Buffer.from('ok').toString('base64')}` } }

it('Go: asks first, then says who it is, and sends the cookie as a jar does', async () => {
  const body = { name: 'k', ...(await start()) }
  const post = (headers: Record<string, string> = {}) =>
    kms.ask(decryptPath, { method: 'POST', body, headers })
  expect((await post()).status).toBe(401)
  const shaken = await kms.ask('/v1/keyversion/k@0/_eek?eek_op=decrypt', {
    method: 'OPTIONS',
    user: 'alice',
  })
  const value = /hadoop\.auth="([^"]+)"/.exec(shaken.headers['set-cookie'] ?? '')?.[1] ?? ''
  const got = await post({ cookie: `hadoop.auth=${value}` })
  expect(got.json.material).toMatch(/^[\w-]{22}$/)
  const { RemoteException } = (await post({ cookie: 'hadoop.auth=x' })).json ?? {}
  expect(RemoteException).toBeUndefined()
})

it('libhdfs3: asks for any type, names no renewer and no length, and negotiates in the other alphabet', async () => {
  const seen: string[] = []
  const accept = async (token: Buffer) => {
    seen.push(token.toString('hex'))
    return { principal: 'alice@EXAMPLE.COM', reply: Buffer.from('reply') }
  }
  kms = await makeTestKms({ authentication: { type: 'kerberos' }, negotiator: { accept } })
  const headers = { accept: '*', authorization: 'Negotiate _-8' }
  const body = { name: 'k', cipher: 'AES/CTR/NoPadding', description: 'a text' }
  const made = await kms.ask('/v1/keys', { method: 'POST', headers, body })
  expect([made.status, seen]).toEqual([201, ['ffef']])
  expect((await kms.ask('/v1/key/k/_metadata', { headers })).json.length).toBe(128)
  const got = await kms.ask('/v1/?op=GETDELEGATIONTOKEN', { headers })
  const token: string = got.json.Token.urlString
  const renewed = await kms.ask(`/v1/?op=RENEWDELEGATIONTOKEN&token=${token}`, {
    method: 'PUT',
    headers,
  })
  expect(renewed.json.long).toBeGreaterThan(kms.clock.ms)
  expect((await kms.ask('/v1/key/k', { method: 'DELETE', headers })).status).toBe(200)
})

it('Kudu and Pegasus: a ticket on the call itself, padded URL-safe base64, the @ as it is', async () => {
  const accept = async () => ({ principal: 'kudu/host@EXAMPLE.COM', reply: Buffer.from('reply') })
  kms = await makeTestKms({ authentication: { type: 'kerberos' }, negotiator: { accept } })
  await kms.ask('/v1/keys', { method: 'POST', ...ticket, body: { name: 'k' } })
  const { json } = await kms.ask('/v1/key/k/_eek?eek_op=generate&num_keys=1', ticket)
  const [{ iv, encryptedKeyVersion }] = json
  const body = { name: 'k', iv: `${iv}==`, material: `${encryptedKeyVersion.material}==` }
  const got = await kms.ask(decryptPath, { method: 'POST', ...ticket, body })
  expect(got.json).toMatchObject({ name: 'k', versionName: 'EK' })
})

it('Ranger Admin: lists and rolls for whom it acts', async () => {
  await start({
    site: {
      'hadoop.kms.proxyuser.rangeradmin.users': '*',
      'hadoop.kms.proxyuser.rangeradmin.hosts': '*',
    },
  })
  const ask = (path: string, method = 'GET') =>
    kms.ask(`${path}?doAs=alice`, { method, user: 'rangeradmin' })
  expect((await ask('/v1/keys/names')).json).toEqual(['k'])
  expect((await ask('/v1/key/k', 'POST')).json.versionName).toBe('k@1')
  expect(kms.lines.at(-1)).toMatch(/^OK\[op=ROLL_NEW_VERSION, key=k, user=alice\]/)
})
