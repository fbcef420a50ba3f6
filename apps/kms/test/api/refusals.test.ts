import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DomainError } from '@keyhsm/core'
import { makeTestKms, type Sent, type TestKms, xml } from '../support/test-kms.js'

let kms: TestKms
let iv = ''
let material = ''
beforeAll(async () => {
  kms = await makeTestKms()
  await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k1' } })
  await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'other' } })
  const [eek] = (await kms.ask('/v1/key/k1/_eek?eek_op=generate', { user: 'alice' })).json
  iv = eek.iv
  material = eek.encryptedKeyVersion.material
})
afterAll(() => kms.close())

const illegal = 'java.lang.IllegalArgumentException'
const io = 'java.io.IOException'
const decrypt = (body: () => object, query = 'eek_op=decrypt', version = 'k1@0') =>
  [`/v1/keyversion/${version}/_eek${query ? `?${query}` : ''}`, { method: 'POST', body }] as const
const create = (body: unknown) => ['/v1/keys', { method: 'POST', body }] as const
type Row = readonly [
  string,
  number,
  string,
  RegExp,
  readonly [string, Omit<Sent, 'body'> & { body?: unknown }],
]

/** What, status, class, message, request. */
const rows: readonly Row[] = [
  ['no name', 400, illegal, /^Parameter 'name' cannot be null$/, create({})],
  ['empty name', 400, illegal, /^Parameter 'name' cannot be empty$/, create({ name: '' })],
  ['a name that is too long', 400, illegal, /at most 255 bytes/, create({ name: 'é'.repeat(128) })],
  ['a name that is no Unicode', 400, illegal, /well-formed/, create({ name: '\ud800' })],
  ['a name that is no text', 400, illegal, /'name' must be a string/, create({ name: 1 })],
  ['an existing name', 500, io, /^Key k1 already exists/, create({ name: 'k1' })],
  [
    'length as a text',
    400,
    illegal,
    /'length' must be a whole number/,
    create({ name: 'n', length: '128' }),
  ],
  [
    'a huge length',
    400,
    illegal,
    /'length' must be a whole number/,
    create({ name: 'n', length: 1e300 }),
  ],
  [
    'another length',
    400,
    'java.security.InvalidParameterException',
    /^Wrong keysize: must be equal to 128, 192 or 256$/,
    create({ name: 'n', length: 100 }),
  ],
  ['an unknown cipher', 400, illegal, /^Unknown cipher/, create({ name: 'n', cipher: 'DES/CBC' })],
  [
    'material of another length',
    500,
    io,
    /^Wrong key length. Required 256, but got 128$/,
    create({ name: 'n', length: 256, material: 'AAAAAAAAAAAAAAAAAAAAAA' }),
  ],
  [
    'material that is no base64',
    400,
    illegal,
    /'material' must be base64/,
    create({ name: 'n', material: '$$$$' }),
  ],
  [
    'attributes that are no texts',
    400,
    illegal,
    /'attributes' must be a map/,
    create({ name: 'n', attributes: { a: 1 } }),
  ],
  ['a body that is no JSON', 400, illegal, /must be JSON/, create('{')],
  ['a body that is no object', 400, illegal, /must be a JSON object/, create([])],
  [
    'rolling what is missing',
    500,
    io,
    /^Can't find Metadata for key none$/,
    ['/v1/key/none', { method: 'POST' }],
  ],
  [
    'rolling with material what is missing',
    500,
    io,
    /^Key none not found$/,
    ['/v1/key/none', { method: 'POST', body: { material: 'AAAA' } }],
  ],
  [
    'rolling with material of another length',
    500,
    io,
    /^Wrong key length. Required 128, but got 24$/,
    ['/v1/key/k1', { method: 'POST', body: { material: 'AAAA' } }],
  ],
  [
    'deleting what is missing',
    500,
    io,
    /^Key none does not exist/,
    ['/v1/key/none', { method: 'DELETE' }],
  ],
  ['no eek_op', 400, illegal, /^Parameter 'eekOp' cannot be null$/, ['/v1/key/k1/_eek', {}]],
  [
    'another eek_op',
    400,
    illegal,
    /^IllegalArgumentException Wrong eek_op value, it must be generate or decrypt$/,
    ['/v1/key/k1/_eek?eek_op=x', {}],
  ],
  [
    'num_keys that is no number',
    400,
    illegal,
    /'num_keys'/,
    ['/v1/key/k1/_eek?eek_op=generate&num_keys=x', {}],
  ],
  [
    'huge num_keys',
    400,
    illegal,
    /at most 1000/,
    ['/v1/key/k1/_eek?eek_op=generate&num_keys=1001', {}],
  ],
  [
    'num_keys beyond all numbers',
    400,
    illegal,
    /'num_keys'/,
    ['/v1/key/k1/_eek?eek_op=generate&num_keys=99999999999999999999', {}],
  ],
  [
    'generating for what is missing',
    500,
    io,
    /No KeyVersion exists for key 'none'/,
    ['/v1/key/none/_eek?eek_op=generate', {}],
  ],
  [
    'decrypt without eek_op',
    400,
    illegal,
    /'eekOp' cannot be null/,
    decrypt(() => ({ name: 'k1', iv, material }), ''),
  ],
  [
    'decrypt without iv',
    400,
    illegal,
    /^Parameter 'iv' cannot be null$/,
    decrypt(() => ({ name: 'k1', material })),
  ],
  [
    'decrypt without material',
    400,
    illegal,
    /^Parameter 'material' cannot be null$/,
    decrypt(() => ({ name: 'k1', iv })),
  ],
  [
    'decrypt with another IV length',
    500,
    io,
    /Wrong IV length: must be 16 bytes long$/,
    decrypt(() => ({ name: 'k1', iv: 'AAAA', material })),
  ],
  [
    'decrypt with wrong base64',
    400,
    illegal,
    /'iv' must be base64/,
    decrypt(() => ({ name: 'k1', iv: '*', material })),
  ],
  [
    'decrypt of a missing version',
    400,
    illegal,
    /^'k1@9' not found$/,
    decrypt(() => ({ name: 'k1', iv, material }), 'eek_op=decrypt', 'k1@9'),
  ],
  [
    'decrypt of no version name',
    400,
    illegal,
    /^'k1' not found$/,
    decrypt(() => ({ name: 'k1', iv, material }), 'eek_op=decrypt', 'k1'),
  ],
  [
    'decrypt of an index beyond all',
    400,
    illegal,
    /not found$/,
    decrypt(() => ({ name: 'k1', iv, material }), 'eek_op=decrypt', 'k1@99999999999'),
  ],
  [
    'decrypt of another key’s version',
    400,
    illegal,
    /^KeyVersion 'k1@0' does not belong to the key 'other'$/,
    decrypt(() => ({ name: 'other', iv, material })),
  ],
  [
    'decrypt without a name',
    400,
    illegal,
    /does not belong to the key 'null'$/,
    decrypt(() => ({ iv, material })),
  ],
  [
    'another eek_op on a version',
    400,
    illegal,
    /must be generate or decrypt/,
    decrypt(() => ({ name: 'k1', iv, material }), 'eek_op=x'),
  ],
  [
    'a batch that is no list',
    400,
    illegal,
    /JSON array/,
    ['/v1/key/k1/_reencryptbatch', { method: 'POST', body: {} }],
  ],
  [
    'a batch of no objects',
    400,
    illegal,
    /JSON array/,
    ['/v1/key/k1/_reencryptbatch', { method: 'POST', body: [1] }],
  ],
  [
    'a batch with another key',
    400,
    illegal,
    /^All EncryptedKeys must be under the given key name other$/,
    [
      '/v1/key/other/_reencryptbatch',
      {
        method: 'POST',
        body: () => [{ versionName: 'k1@0', iv, encryptedKeyVersion: { material } }],
      },
    ],
  ],
  [
    'a batch with a missing version',
    400,
    illegal,
    /^'k1@7' not found$/,
    [
      '/v1/key/k1/_reencryptbatch',
      {
        method: 'POST',
        body: () => [{ versionName: 'k1@7', iv, encryptedKeyVersion: { material } }],
      },
    ],
  ],
  ['an empty name in the path', 400, illegal, /'name' cannot be empty/, ['/v1/key//_metadata', {}]],
  ['a path that is no UTF-8', 400, illegal, /percent-encoded/, ['/v1/key/%ff/_metadata', {}]],
  ['an unknown path', 404, io, /nothing at this path/, ['/v1/unknown', {}]],
  ['another method', 405, io, /must be POST/, ['/v1/keys', { method: 'PUT' }]],
]

describe('bad input', () => {
  it.each(rows)('%s: %d %s', async (...row) => {
    const [, status, javaClass, message, [path, sent]] = row
    const before = JSON.stringify([...kms.vault.rows])
    const body = typeof sent.body === 'function' ? sent.body() : sent.body
    const got = await kms.ask(path, { ...sent, body, user: 'alice' })
    expect(got.status).toBe(status)
    expect(got.headers['content-type']).toBe('application/json')
    const { RemoteException } = got.json
    expect(RemoteException.message).toMatch(message)
    expect(RemoteException.javaClassName).toBe(javaClass)
    expect(RemoteException.exception).toBe(javaClass.split('.').at(-1))
    expect(JSON.stringify([...kms.vault.rows])).toBe(before)
  })

  it('changes nothing and leaves an ERROR line', async () => {
    kms.lines.length = 0
    await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: {} })
    expect(kms.lines).toEqual([
      "ERROR[user=alice] Method:'POST' Exception:'Parameter 'name' cannot be null'",
    ])
  })
})

describe('faults behind the KMS', () => {
  it.each([
    ['ERR_HSM_UNAVAILABLE', 503, 'org.apache.hadoop.ipc.RetriableException'],
    ['ERR_BUSY', 503, 'org.apache.hadoop.ipc.RetriableException'],
    ['ERR_IRRETRIEVABLE', 500, io],
    ['ERR_INTEGRITY', 500, io],
    ['ERR_INTERNAL', 500, io],
  ] as const)('%s is %d %s, and told to the operator', async (code, status, javaClass) => {
    kms.keys.directory.forget('k1')
    kms.vault.faults.push(new DomainError(code, 'the words'))
    const got = await kms.ask('/v1/key/k1/_metadata', { user: 'alice' })
    expect([got.status, got.json.RemoteException.javaClassName]).toEqual([status, javaClass])
    expect(got.json.RemoteException.message).toBe(
      code === 'ERR_INTERNAL' ? 'internal error' : 'the words',
    )
    expect(kms.faults.pop()).toMatchObject({ code })
  })

  it('answers nothing when the audit cannot be written', async () => {
    kms.auditFaults.push(new DomainError('ERR_AUDIT_UNAVAILABLE', 'the audit cannot be written'))
    const got = await kms.ask('/v1/key/k1/_eek?eek_op=generate', { user: 'alice' })
    expect([got.status, got.text.includes('encryptedKeyVersion')]).toEqual([503, false])
  })
})

describe('ACLs', () => {
  it('refuse with the words that log parsers know, once in the audit', async () => {
    const strict = await makeTestKms({
      acls: xml({
        'hadoop.kms.acl.CREATE': 'alice',
        'hadoop.kms.acl.GET_KEYS': ' ',
        'key.acl.k.ALL': 'alice',
      }),
    })
    const ask = (user: string, path: string, sent: Sent = {}) => strict.ask(path, { user, ...sent })
    const message = async (got: ReturnType<typeof ask>) => {
      const { status, json } = await got
      return [status, json.RemoteException.exception, json.RemoteException.message]
    }
    const body = { name: 'k' }
    expect(await message(ask('bob', '/v1/keys', { method: 'POST', body }))).toEqual([
      403,
      'AuthorizationException',
      "User:bob not allowed to do 'CREATE_KEY' on 'k'",
    ])
    expect(await message(ask('alice', '/v1/keys/names'))).toEqual([
      403,
      'AuthorizationException',
      "User:alice not allowed to do 'GET_KEYS'",
    ])
    expect(
      await message(ask('alice', '/v1/keys', { method: 'POST', body: { name: 'x' } })),
    ).toEqual([403, 'AuthorizationException', 'User [alice] is not authorized to create key !!'])
    expect((await ask('alice', '/v1/keys', { method: 'POST', body })).status).toBe(201)
    expect(await message(ask('bob', '/v1/key/k/_eek?eek_op=generate'))).toEqual([
      403,
      'AuthorizationException',
      'User [bob] is not authorized to perform [GENERATE_EEK] on key with ACL name [k]!!',
    ])
    expect(strict.lines).toEqual([
      'UNAUTHORIZED[op=CREATE_KEY, key=k, user=bob] ',
      'UNAUTHORIZED[op=GET_KEYS, user=alice] ',
      'UNAUTHORIZED[op=MANAGEMENT, key=x, user=alice] ',
      'OK[op=CREATE_KEY, key=k, user=alice] UserProvidedMaterial:false Description:null',
      'UNAUTHORIZED[op=GENERATE_EEK, key=k, user=bob] ',
    ])
    expect(strict.meters.read('unauthorized').count).toBe(2)
    strict.setAcls(xml({ 'default.key.acl.GENERATE_EEK': '*' }))
    expect((await ask('bob', '/v1/key/k/_eek?eek_op=generate')).status).toBe(200)
    strict.close()
  })

  it('let groups in, looked up for the user', async () => {
    const strict = await makeTestKms({
      acls: xml({ 'hadoop.kms.acl.GET_KEYS': ' staff' }),
      groups: { alice: ['staff'], bob: ['users'] },
    })
    expect((await strict.ask('/v1/keys/names', { user: 'alice' })).status).toBe(200)
    expect((await strict.ask('/v1/keys/names', { user: 'bob' })).status).toBe(403)
    strict.close()
  })

  it('show material only to those with GET', async () => {
    const strict = await makeTestKms({
      acls: xml({ 'hadoop.kms.acl.GET': 'bob', 'default.key.acl.MANAGEMENT': '*' }),
    })
    const created = await strict.ask('/v1/keys', {
      method: 'POST',
      user: 'alice',
      body: { name: 'k' },
    })
    expect(created.json.material).toBeNull()
    const rolled = await strict.ask('/v1/key/k', { method: 'POST', user: 'bob' })
    expect(rolled.json.material).not.toBeNull()
    strict.close()
  })
})
