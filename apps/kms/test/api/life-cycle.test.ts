import { afterEach, describe, expect, it } from 'vitest'
import { makeTestKms, type TestKms, type TestKmsOptions } from '../support/test-kms.js'

let kms: TestKms
afterEach(() => kms.close())

async function open(options?: TestKmsOptions): Promise<TestKms> {
  kms = await makeTestKms(options)
  return kms
}
const create = (name: string, more: object = {}) =>
  kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name, ...more } })
const get = (path: string) => kms.ask(path, { user: 'alice' })
const post = (path: string, body?: unknown) =>
  kms.ask(path, { method: 'POST', user: 'alice', body })

describe('the life of a key', () => {
  it.each([
    ['description', { description: 'x'.repeat(64 * 1024 + 1) }],
    ['attributes', { attributes: { a: 'x'.repeat(64 * 1024 + 1) } }],
    ['cipher', { cipher: `AES/${'x'.repeat(70)}` }],
  ])('is not begun where its %s could never be read again', async (field, more) => {
    await open({ api: { exportMaterial: false } })
    const refused = await create('k1', more)
    expect([refused.status, refused.json.RemoteException.message]).toEqual([
      400,
      expect.stringContaining(field),
    ])
    expect((await get('/v1/keys/names')).json).toEqual([])
    expect((await create('k1', { description: 'x'.repeat(64 * 1024) })).status).toBe(201)
    expect((await get('/v1/keys/names')).json).toEqual(['k1'])
  })

  it.each(['AES/GCM/NoPadding', 'aes'])('may have the cipher %s, which is kept', async (cipher) => {
    await open()
    expect((await create('k1', { cipher, length: 256 })).status).toBe(201)
    expect((await get('/v1/key/k1/_metadata')).json).toMatchObject({ cipher, length: 256 })
    const made = await get('/v1/key/k1/_eek?eek_op=generate&num_keys=1')
    expect(made.json).toHaveLength(1)
  })

  it('is created, described, rolled and deleted', async () => {
    await open()
    const created = await create('k1', { description: null, attributes: { a: 'b' } })
    expect(created.status).toBe(201)
    expect(created.json).toEqual({
      name: 'k1',
      versionName: 'k1@0',
      material: expect.stringMatching(/^[\w-]{22}$/),
    })
    expect(created.headers['location']).toBe('http://kms:9600/kms/v1/key/k1')
    const metadata = await get('/v1/key/k1/_metadata')
    expect(metadata.json).toEqual({
      name: 'k1',
      cipher: 'AES/CTR/NoPadding',
      length: 128,
      description: null,
      attributes: { a: 'b', 'key.acl.name': 'k1' },
      created: kms.clock.ms,
      versions: 1,
    })
    const rolled = await post('/v1/key/k1', {})
    expect(rolled.json.versionName).toBe('k1@1')
    expect(rolled.json.material).not.toBe(created.json.material)
    expect((await get('/v1/key/k1/_versions')).json).toEqual([created.json, rolled.json])
    expect((await get('/v1/key/k1/_currentversion')).json).toEqual(rolled.json)
    expect((await get('/v1/keyversion/k1@0')).json).toEqual(created.json)
    expect((await get('/v1/keyversion/k1%401')).json).toEqual(rolled.json)
    expect((await get('/v1/keys/names')).json).toEqual(['k1'])
    expect((await get('/v1/keys/metadata?key=k1&key=none')).json).toEqual([
      { ...metadata.json, versions: 2 },
      {},
    ])
    const deleted = await kms.ask('/v1/key/k1', { method: 'DELETE', user: 'alice' })
    expect([deleted.status, deleted.text, deleted.headers['content-type']]).toEqual([
      200,
      '',
      'text/plain;charset=utf-8',
    ])
    expect((await get('/v1/keys/names')).json).toEqual([])
    expect((await get('/v1/key/k1/_metadata')).json).toEqual({})
    expect((await get('/v1/key/k1')).json).toEqual({})
    expect((await get('/v1/key/k1/_versions')).json).toEqual([])
    expect((await get('/v1/keyversion/k1@0')).json).toEqual({})
    expect((await get('/v1/key/k1/_currentversion')).json).toEqual({})
  })

  it('wraps data keys, opens them, and carries them over', async () => {
    await open()
    await create('k', { length: 256 })
    const generated = await get('/v1/key/k/_eek?eek_op=generate&num_keys=3')
    expect(generated.json).toHaveLength(3)
    const [eek] = generated.json
    expect(eek).toMatchObject({
      versionName: 'k@0',
      encryptedKeyVersion: { name: 'k', versionName: 'EEK' },
    })
    const order = { name: 'k', iv: eek.iv, material: eek.encryptedKeyVersion.material }
    const opened = await post('/v1/keyversion/k@0/_eek?eek_op=decrypt', order)
    expect(opened.json).toEqual({
      name: 'k',
      versionName: 'EK',
      material: expect.stringMatching(/^[\w-]{43}$/),
    })
    await post('/v1/key/k')
    const again = await post('/v1/keyversion/k@0/_eek?eek_op=reencrypt', order)
    expect(again.json).toMatchObject({ versionName: 'k@1', iv: eek.iv })
    expect(again.json.encryptedKeyVersion.material).not.toBe(order.material)
    const reopened = await post('/v1/keyversion/k@1/_eek?eek_op=decrypt', {
      ...order,
      material: again.json.encryptedKeyVersion.material,
    })
    expect(reopened.json.material).toBe(opened.json.material)
    const batch = await post('/v1/key/k/_reencryptbatch', [eek, again.json])
    expect(batch.json[0]).toEqual(again.json)
    expect(batch.json[1]).toEqual({
      ...again.json,
      encryptedKeyVersion: { ...again.json.encryptedKeyVersion, name: null },
    })
    expect((await post('/v1/key/k/_reencryptbatch', [])).json).toEqual([])
    expect((await get('/v1/key/k/_eek?eek_op=generate&num_keys=0')).json).toEqual([])
    expect((await get('/v1/key/k/_eek?eek_op=generate&num_keys=-5')).json).toEqual([])
  })

  it('takes base64 in either alphabet, padded or not', async () => {
    await open()
    const material = Buffer.from('fbefbefbefbefbefbefbefbefbefbefb', 'hex')
    const texts = ['base64', 'base64url'] as const
    for (const [i, encoding] of texts.entries()) {
      const created = await create(`m${i}`, { length: 128, material: material.toString(encoding) })
      expect(created.json.material).toBe(material.toString('base64url'))
    }
    const rolled = await post('/v1/key/m0', { material: material.toString('base64') })
    expect(rolled.json.material).toBe(material.toString('base64url'))
  })

  it.each([
    'key %^[\n{]}|"<>\\',
    'a/b',
    '%2F',
    'a+b',
    'a b',
    'Ключ-鍵-🔑',
    'UP.low_-',
    'k@1',
    '_eek',
    'x/_metadata',
    'z'.repeat(255),
  ])('has any name: %j', async (name) => {
    await open()
    expect((await create(name)).json).toMatchObject({ name, versionName: `${name}@0` })
    const encoded = encodeURIComponent(name)
    expect((await get(`/v1/key/${encoded}/_metadata`)).json.name).toBe(name)
    const eeks = await get(`/v1/key/${encoded}/_eek?eek_op=generate`)
    expect(eeks.json[0].versionName).toBe(`${name}@0`)
    const body = { name, iv: eeks.json[0].iv, material: eeks.json[0].encryptedKeyVersion.material }
    const version = encodeURIComponent(`${name}@0`)
    expect((await post(`/v1/keyversion/${version}/_eek?eek_op=decrypt`, body)).status).toBe(200)
    expect((await get('/v1/keys/names')).json).toEqual([name])
  })

  it('finds names with spaces as Java writes them', async () => {
    await open()
    await create('a b')
    const headers = { 'user-agent': 'Java/17.0.15' }
    expect((await kms.ask('/v1/key/a+b/_metadata', { user: 'alice', headers })).json.name).toBe(
      'a b',
    )
    expect((await get('/v1/key/a+b/_metadata')).json).toEqual({})
  })

  it('can be brought back after it was deleted, or purged', async () => {
    await open()
    const created = await create('k')
    await kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
    expect((await post('/v1/trustee/key/k?trusteeOp=undelete')).status).toBe(200)
    expect((await get('/v1/keyversion/k@0')).json).toEqual(created.json)
    await kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
    await create('k', { length: 256 })
    expect((await post('/v1/trustee/key/k?trusteeOp=undelete')).status).toBe(500)
    expect((await post('/v1/trustee/key/k?trusteeOp=purge')).status).toBe(200)
    expect(
      (await post('/v1/trustee/key/k?trusteeOp=purge')).json.RemoteException.message,
    ).toContain('No deleted key')
    expect((await get('/v1/key/k/_metadata')).json.length).toBe(256)
    expect((await get('/v1/key/k/_eek?eek_op=generate')).status).toBe(200)
    expect((await post('/v1/trustee/key/k?trusteeOp=other')).status).toBe(400)
  })

  it('keeps material to itself where export is off or GET is refused', async () => {
    await open({ api: { exportMaterial: false } })
    expect((await create('k')).json).toEqual({ name: 'k', versionName: 'k@0', material: null })
    expect((await post('/v1/key/k')).json.material).toBeNull()
    for (const path of ['/v1/key/k/_versions', '/v1/key/k/_currentversion', '/v1/keyversion/k@0']) {
      const refused = await get(path)
      expect(refused.status).toBe(403)
      expect(refused.json.RemoteException.exception).toBe('AuthorizationException')
    }
    expect((await get('/v1/key/k/_eek?eek_op=generate')).status).toBe(200)
  })
})
