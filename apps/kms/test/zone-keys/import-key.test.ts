/** Keys of another KMS come in: whole, once, whatever happens on the way. */
import { createDecipheriv } from 'node:crypto'
import { DomainError } from '@keyhsm/core'
import { afterEach, describe, expect, it } from 'vitest'
import { deleteKey } from '../../src/zone-keys/delete-key.js'
import { importKey } from '../../src/zone-keys/import-key.js'
import { purgeKey } from '../../src/zone-keys/purge-key.js'
import { rollKey } from '../../src/zone-keys/roll-key.js'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

const open: TestKms[] = []
afterEach(() => {
  for (const kms of open.splice(0)) kms.close()
})
async function start(): Promise<TestKms> {
  const kms = await makeTestKms({ describeMs: 0 })
  open.push(kms)
  return kms
}
const by = 'operator:alice'
const source = (versions = 3, fill = 0) => ({
  name: 'zone/1',
  cipher: 'AES/CTR/NoPadding',
  bits: 128,
  description: 'of old',
  attributes: { 'key.acl.name': 'shared' },
  createdAt: 1_500_000_000_000,
  versions: Array.from({ length: versions }, (_, i) => Buffer.alloc(16, fill + i)),
})
const bring = ({ keys }: TestKms, key = source(), dryRun = false) =>
  importKey(keys, key, { by, dryRun })
const materials = async (kms: TestKms) => {
  const { json } = await kms.ask('/v1/key/zone%2F1/_versions', { user: 'alice' })
  return json.map(({ material }: { material: string }) => Buffer.from(material, 'base64')[0])
}

describe('importing a key', () => {
  it('keeps its name, time, attributes and every version, and wipes what was read', async () => {
    const kms = await start()
    const read = source()
    expect(await bring(kms, read)).toBe('imported')
    expect(read.versions.every((material) => material.every((byte) => byte === 0))).toBe(true)
    const { json } = await kms.ask('/v1/key/zone%2F1/_metadata', { user: 'alice' })
    expect(json).toEqual({
      name: 'zone/1',
      cipher: 'AES/CTR/NoPadding',
      length: 128,
      description: 'of old',
      attributes: { 'key.acl.name': 'shared' },
      created: 1_500_000_000_000,
      versions: 3,
    })
    expect(await materials(kms)).toEqual([0, 1, 2])
  })

  it('lists, rolls and uses a key whose cipher would not be made here, as the original does', async () => {
    const kms = await start()
    expect(await bring(kms, { ...source(1), cipher: 'Blowfish' })).toBe('imported')
    const ask = (path: string, body?: object) =>
      kms.ask(path, { user: 'alice', ...(body && { method: 'POST', body }) })
    expect((await ask('/v1/key/zone%2F1/_metadata')).json).toMatchObject({ cipher: 'Blowfish' })
    const made = await ask('/v1/key/zone%2F1/_eek?eek_op=generate&num_keys=1')
    const { iv, encryptedKeyVersion: eek } = made.json[0]
    expect((await ask('/v1/key/zone%2F1', {})).json.versionName).toBe('zone/1@1')
    const opened = await ask('/v1/keyversion/zone%2F1@0/_eek?eek_op=decrypt', {
      name: 'zone/1',
      iv,
      material: eek.material,
    })
    const bytes = (text: string) => Buffer.from(text, 'base64url')
    const counter = bytes(iv).map((byte) => byte ^ 0xff)
    const library = createDecipheriv('aes-128-ctr', Buffer.alloc(16, 0), counter)
    expect(bytes(opened.json.material)).toEqual(library.update(bytes(eek.material)))
  })

  it('changes nothing in a dry run, and nothing when all is there', async () => {
    const kms = await start()
    const before = kms.vault.rows.size
    expect(await bring(kms, source(), true)).toBe('imported')
    expect(kms.vault.rows.size).toBe(before)
    await bring(kms)
    kms.vault.asked.length = 0
    expect(await bring(kms)).toBe('present')
    expect(await bring(kms, source(2))).toBe('present')
    expect(kms.vault.asked).not.toContain('write')
  })

  it('refuses what could never be read again before anything is written', async () => {
    const kms = await start()
    const rows = kms.vault.rows.size
    const long = { ...source(), description: 'x'.repeat(64 * 1024 + 1) }
    await expect(bring(kms, long)).rejects.toMatchObject({ code: 'ERR_INVALID_INPUT' })
    expect(kms.vault.rows.size).toBe(rows)
  })

  it('adds the versions that were rolled since', async () => {
    const kms = await start()
    await bring(kms, source(1))
    expect(await bring(kms, source(120), true)).toBe('extended')
    expect(await materials(kms)).toHaveLength(1)
    expect(await bring(kms, source(120))).toBe('extended')
    expect(await materials(kms)).toHaveLength(120)
  })

  it('refuses a name that another key has, and changes nothing', async () => {
    const kms = await start()
    await bring(kms)
    const rows = kms.vault.rows.size
    await expect(bring(kms, source(3, 9))).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    await expect(bring(kms, { ...source(), bits: 256 })).rejects.toThrow(/another cipher or length/)
    expect(kms.vault.rows.size).toBe(rows)
    expect(await materials(kms)).toEqual([0, 1, 2])
  })

  it('refuses to extend a key that was rolled here', async () => {
    const kms = await start()
    await bring(kms, source(1))
    await rollKey(kms.keys, { name: 'zone/1', by })
    await expect(bring(kms, source(3))).rejects.toThrow(/another key in version 1/)
  })
})

describe('an import that was interrupted', () => {
  it('shows nothing, and goes on where it was', async () => {
    const kms = await start()
    let writes = 0
    const stopThird = () => {
      writes += 1
      if (writes === 3) throw new DomainError('ERR_UNAVAILABLE', 'gone')
      kms.vault.beforeWrite = stopThird
    }
    kms.vault.beforeWrite = stopThird
    await expect(bring(kms, source(120))).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    expect((await kms.ask('/v1/keys/names', { user: 'alice' })).json).toEqual([])
    const left = [...kms.vault.rows.keys()].filter((handle) => handle.startsWith('kms.v.'))
    expect(left).toHaveLength(100)
    kms.vault.beforeWrite = undefined
    expect(await bring(kms, source(120))).toBe('imported')
    expect(await materials(kms)).toHaveLength(120)
    expect([...kms.vault.rows.keys()].filter((handle) => handle.startsWith('kms.v.'))).toHaveLength(
      120,
    )
  })

  it('does not believe versions that are not the source’s', async () => {
    const kms = await start()
    kms.vault.afterWrite = new DomainError('ERR_UNAVAILABLE', 'gone')
    await expect(bring(kms, source(2, 40))).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    expect(await bring(kms, source(2))).toBe('imported')
    expect(await materials(kms)).toEqual([0, 1])
  })

  it('fails when what was written does not come back', async () => {
    const kms = await start()
    const write = kms.vault.write.bind(kms.vault)
    kms.vault.write = (puts, removes) =>
      write(
        puts.map((put) => ({ ...put, content: Buffer.from('{}') })),
        removes,
      )
    await expect(bring(kms)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })
})

describe('a key that was imported before', () => {
  it('can be imported again beside its deleted or purged self', async () => {
    const kms = await start()
    await bring(kms)
    await deleteKey(kms.keys, { name: 'zone/1', by })
    expect(await bring(kms)).toBe('imported')
    await deleteKey(kms.keys, { name: 'zone/1', by })
    expect(await purgeKey(kms.keys, { name: 'zone/1', by })).toMatchObject({ keys: 2, versions: 6 })
    expect(await bring(kms)).toBe('imported')
    expect(await materials(kms)).toEqual([0, 1, 2])
  })
})
