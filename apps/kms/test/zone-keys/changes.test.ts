/** Several instances over one vault: races, repetitions, lost answers. */
import { afterEach, describe, expect, it } from 'vitest'
import { DomainError } from '@keyhsm/core'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

const open: TestKms[] = []
afterEach(() => {
  for (const kms of open.splice(0)) kms.close()
})
async function pair(options: Parameters<typeof makeTestKms>[0] = {}): Promise<[TestKms, TestKms]> {
  const one = await makeTestKms(options)
  const two = await makeTestKms({ ...options, vault: one.vault, clock: one.clock })
  open.push(one, two)
  return [one, two]
}
const create = (kms: TestKms, more: object = {}, user = 'alice', delivered = true) =>
  kms.ask('/v1/keys', { method: 'POST', user, body: { name: 'k', ...more }, delivered })
const roll = (kms: TestKms, delivered = true, user = 'alice') =>
  kms.ask('/v1/key/k', { method: 'POST', user, delivered })
const remove = (kms: TestKms) => kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
const invalidate = (kms: TestKms) =>
  kms.ask('/v1/key/k/_invalidatecache', { method: 'POST', user: 'alice' })
const versions = async (kms: TestKms) =>
  (await kms.ask('/v1/key/k/_metadata', { user: 'alice' })).json.versions

describe('a change repeated on another instance', () => {
  it('is answered as the first time, and done once', async () => {
    const [one, two] = await pair({ describeMs: 0 })
    const first = await create(one)
    const second = await create(two)
    expect([second.status, second.json]).toEqual([201, first.json])
    const rolled = await roll(one)
    expect((await roll(two)).json).toEqual(rolled.json)
    expect(await versions(two)).toBe(2)
    expect((await remove(one)).status).toBe(200)
    expect((await remove(two)).status).toBe(200)
    expect(two.lines.filter((line) => line.endsWith('Repeated:true'))).toHaveLength(3)
  })

  it('is a new one when the caller invalidated the cache in between, as Hadoop’s client does after success', async () => {
    const [one, two] = await pair({ describeMs: 0 })
    await create(one)
    await roll(one)
    one.clock.advance(1)
    await invalidate(two)
    expect((await roll(two)).json.versionName).toBe('k@2')
  })

  it('is a new one after the window, from somebody else, or when something else was asked for', async () => {
    const [one, two] = await pair({ describeMs: 0 })
    await create(one)
    expect((await create(two, {}, 'bob')).status).toBe(500)
    expect((await create(two, { length: 256 })).status).toBe(500)
    const given = { material: 'AAAAAAAAAAAAAAAAAAAAAA' }
    expect((await create(two, given)).json.RemoteException.message).toBe('Key k already exists')
    one.clock.advance(10_001)
    expect((await create(two)).status).toBe(500)
    await roll(one)
    expect((await roll(two, true, 'bob')).json.versionName).toBe('k@2')
  })
})

describe('a change repeated on the same instance', () => {
  it('is a new one when its answer left, and the old one when it did not', async () => {
    const [one] = await pair()
    await create(one)
    expect((await create(one)).status).toBe(500)
    const lost = await roll(one, false)
    expect((await roll(one)).json).toEqual(lost.json)
    expect((await roll(one)).json.versionName).toBe('k@2')
  })
})

describe('changes at once', () => {
  it('both count', async () => {
    const [one, two] = await pair({ describeMs: 0 })
    await create(one)
    one.clock.advance(20_000)
    one.vault.beforeWrite = async () => {
      await roll(two, true, 'bob')
    }
    expect((await roll(one)).json.versionName).toBe('k@2')
    expect(await versions(two)).toBe(3)
    const all = await one.ask('/v1/key/k/_versions', { user: 'alice' })
    expect(new Set(all.json.map((version: { material: string }) => version.material)).size).toBe(3)
  })

  it('leave one of two creates the name', async () => {
    const [one, two] = await pair()
    one.vault.beforeWrite = async () => {
      await create(two, {}, 'bob')
    }
    expect((await create(one)).status).toBe(500)
    expect(one.vault.rows.size).toBe(3)
  })
})

describe('a write that fails', () => {
  it('leaves nothing; one whose answer is lost is there whole', async () => {
    const [one] = await pair()
    const down = new DomainError('ERR_UNAVAILABLE', 'gone')
    one.vault.beforeWrite = () => {
      throw down
    }
    expect((await create(one)).status).toBe(503)
    expect((await one.ask('/v1/keys/names', { user: 'alice' })).json).toEqual([])
    one.vault.afterWrite = down
    expect((await create(one, {}, 'alice', false)).status).toBe(503)
    expect(await versions(one)).toBe(1)
    expect((await one.ask('/v1/key/k/_eek?eek_op=generate', { user: 'alice' })).status).toBe(200)
  })
})

describe('what an instance remembers', () => {
  it('is no older than the setting after a roll elsewhere', async () => {
    const [one, two] = await pair()
    await create(one)
    expect(await versions(two)).toBe(1)
    await roll(one)
    expect(await versions(two)).toBe(1)
    one.clock.advance(30_001)
    expect(await versions(two)).toBe(2)
  })

  it('opens nothing longer than the setting after a delete elsewhere', async () => {
    const [one, two] = await pair()
    await create(one)
    const [eek] = (await two.ask('/v1/key/k/_eek?eek_op=generate', { user: 'alice' })).json
    const body = { name: 'k', iv: eek.iv, material: eek.encryptedKeyVersion.material }
    const decrypt = () =>
      two.ask('/v1/keyversion/k@0/_eek?eek_op=decrypt', { method: 'POST', user: 'alice', body })
    expect((await decrypt()).status).toBe(200)
    await remove(one)
    one.clock.advance(30_001)
    const got = await decrypt()
    expect([got.status, got.json.RemoteException.message]).toEqual([400, "'k@0' not found"])
  })

  it('is never that there is no key: one made elsewhere is found at once, also under the name of a deleted one', async () => {
    const [one, two] = await pair()
    expect(await versions(two)).toBeUndefined()
    await create(one)
    expect(await versions(two)).toBe(1)
    await remove(one)
    one.clock.advance(30_001)
    expect(await versions(two)).toBeUndefined()
    await create(one, { length: 256 })
    expect(await versions(two)).toBe(1)
  })

  it('is forgotten at once when told so', async () => {
    const [one, two] = await pair()
    await create(one)
    await versions(two)
    await roll(one)
    await invalidate(two)
    const eeks = await two.ask('/v1/key/k/_eek?eek_op=generate', { user: 'alice' })
    expect(eeks.json[0].versionName).toBe('k@1')
  })

  it('is forgotten for a name that there is not, too', async () => {
    const [one] = await pair()
    const told = await invalidate(one)
    expect([told.status, told.text]).toEqual([200, ''])
    expect(one.lines.at(-1)).toBe('OK[op=INVALIDATE_CACHE, key=k, user=alice] ')
  })

  it('opens nothing longer than the setting after the HSM key was revoked, and nothing once told so', async () => {
    const [one, two] = await pair({ describeMs: 0 })
    await create(one)
    const ask = (kms: TestKms) => kms.ask('/v1/key/k/_eek?eek_op=generate', { user: 'alice' })
    expect([(await ask(one)).status, (await ask(two)).status]).toEqual([200, 200])
    const read = one.vault.read.bind(one.vault)
    one.vault.read = (handle) =>
      handle.startsWith('kms.v.')
        ? Promise.reject(new DomainError('ERR_IRRETRIEVABLE', 'the deposit is irretrievable'))
        : read(handle)
    await invalidate(two)
    expect((await ask(two)).json.RemoteException).toMatchObject({
      message: 'the deposit is irretrievable',
      javaClassName: 'java.io.IOException',
    })
    one.clock.advance(599_999)
    expect((await ask(one)).status).toBe(200)
    one.clock.advance(1)
    expect((await ask(one)).status).toBe(500)
  })

  it('is asked for by a listing, and read only when it changed', async () => {
    const [one] = await pair({ describeMs: 0 })
    await create(one)
    one.keys.directory.forget('k')
    one.vault.asked.length = 0
    await versions(one)
    await versions(one)
    const reads = one.vault.asked.filter((what) => what.startsWith('read'))
    expect(reads).toHaveLength(1)
  })
})
