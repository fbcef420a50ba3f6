/** The end of deleted keys: nothing of a version is left, none comes back by half, and it can be repeated anywhere. */
import { DomainError } from '@keyhsm/core'
import { afterEach, describe, expect, it } from 'vitest'
import { makeTestKms, type TestKms, xml } from '../support/test-kms.js'

const open: TestKms[] = []
afterEach(() => {
  for (const kms of open.splice(0)) kms.close()
})

async function start(options: Parameters<typeof makeTestKms>[0] = {}): Promise<TestKms> {
  const kms = await makeTestKms({ describeMs: 0, ...options })
  open.push(kms)
  return kms
}

/** A key with three versions that was deleted. */
async function deleted(kms: TestKms): Promise<void> {
  await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k' } })
  for (const user of ['bob', 'carol']) await kms.ask('/v1/key/k', { method: 'POST', user })
  await kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
}

const trusteeOp = (kms: TestKms, operation: string, user = 'alice') =>
  kms.ask(`/v1/trustee/key/k?trusteeOp=${operation}`, { method: 'POST', user })
const versionsLeft = ({ vault }: TestKms) =>
  [...vault.rows.keys()].filter((handle) => handle.startsWith('kms.v.'))

describe('purge', () => {
  it('leaves no deposit of any version, and says how many there were', async () => {
    const kms = await start()
    await deleted(kms)
    expect(versionsLeft(kms)).toHaveLength(3)
    expect((await trusteeOp(kms, 'purge')).status).toBe(200)
    expect(versionsLeft(kms)).toEqual([])
    expect(kms.lines.at(-1)).toBe(
      'OK[op=PURGE_KEY, key=k, user=alice] purged 1 keys with 3 versions',
    )
    expect((await trusteeOp(kms, 'undelete')).status).toBe(500)
  })

  it('that is cut off leaves nothing to bring back, and is ended by any instance', async () => {
    const one = await start()
    const two = await start({ vault: one.vault, clock: one.clock })
    await deleted(one)
    let asked = 0
    const purge = one.vault.purge.bind(one.vault)
    one.vault.purge = (handle) => {
      asked += 1
      if (asked > 1) return Promise.reject(new DomainError('ERR_UNAVAILABLE', 'gone'))
      return purge(handle)
    }
    expect((await trusteeOp(one, 'purge')).status).toBe(503)
    expect(versionsLeft(one)).toHaveLength(2)
    const refused = await trusteeOp(two, 'undelete')
    expect(refused.json.RemoteException.message).toBe('No deleted key k can be found')
    const [{ deleted: rows } = { deleted: [] }] = await two.keys.directory.lookAll()
    expect(rows).toMatchObject([{ purging: true }])
    one.vault.purge = purge
    expect((await trusteeOp(two, 'purge')).status).toBe(200)
    expect(versionsLeft(one)).toEqual([])
  })

  it('repeated on another instance is answered as the first time; later there is nothing to purge', async () => {
    const one = await start()
    const two = await start({ vault: one.vault, clock: one.clock })
    await deleted(one)
    expect((await trusteeOp(one, 'purge')).status).toBe(200)
    expect((await trusteeOp(two, 'purge')).status).toBe(200)
    expect(two.lines.at(-1)).toMatch(/purged 0 keys with 0 versions Repeated:true$/)
    expect((await trusteeOp(one, 'purge')).status).toBe(500)
    one.clock.advance(60_000)
    expect((await trusteeOp(two, 'purge')).status).toBe(500)
  })

  it('leaves a key of the same name that exists, and what is deleted while it goes on', async () => {
    const kms = await start()
    await deleted(kms)
    await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k', length: 256 } })
    expect((await trusteeOp(kms, 'purge')).status).toBe(200)
    const eeks = await kms.ask('/v1/key/k/_eek?eek_op=generate', { user: 'alice' })
    expect(eeks.json[0].versionName).toBe('k@0')
  })

  it('and undelete need MANAGEMENT of the key that was deleted', async () => {
    const kms = await start({ acls: xml({ 'key.acl.k.ALL': 'alice' }) })
    await kms.ask('/v1/keys', { method: 'POST', user: 'alice', body: { name: 'k' } })
    await kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
    for (const operation of ['undelete', 'purge']) {
      const refused = await trusteeOp(kms, operation, 'bob')
      expect([refused.status, refused.json.RemoteException.message]).toEqual([
        403,
        'User [bob] is not authorized to perform [MANAGEMENT] on key with ACL name [k]!!',
      ])
    }
    expect(versionsLeft(kms)).toHaveLength(1)
    expect((await trusteeOp(kms, 'undelete')).status).toBe(200)
  })

  it('and undelete are refused to whom their ACLs do not name, and change nothing', async () => {
    const rest = { 'default.key.acl.MANAGEMENT': '*', 'keytrustee.kms.acl.UNDELETE': 'bob' }
    const kms = await start({ acls: xml({ ...rest, 'keytrustee.kms.acl.PURGE': 'carol' }) })
    await deleted(kms)
    const before = JSON.stringify([...kms.vault.rows])
    for (const [operation, user] of [
      ['undelete', 'carol'],
      ['purge', 'bob'],
    ] as const) {
      const refused = await trusteeOp(kms, operation, user)
      expect(refused.status).toBe(403)
      expect(refused.json.RemoteException.message).toBe(
        `User:${user} not allowed to do '${operation.toUpperCase()}_KEY' on 'k'`,
      )
    }
    expect(JSON.stringify([...kms.vault.rows])).toBe(before)
    expect((await trusteeOp(kms, 'undelete', 'bob')).status).toBe(200)
    await kms.ask('/v1/key/k', { method: 'DELETE', user: 'alice' })
    expect((await trusteeOp(kms, 'purge', 'carol')).status).toBe(200)
  })
})
