/** The vault in use over a Trustee Server in memory, with real sealing; the memory double passes the same contract. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClientKeys, makeClientKeys, sealForReaders } from '@keyhsm/client'
import { DomainError, type Handle, parseHandle, parseUuid } from '@keyhsm/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trusteeVault } from '../../src/zone-keys/trustee-vault.js'
import type { Vault } from '../../src/zone-keys/vault.js'
import { MemoryVault } from '../support/memory-vault.js'

const organisation = parseUuid('6f9619ff-8b86-4d01-b42d-00cf4fc964ff')
const folder = mkdtempSync(join(tmpdir(), 'kms-vault-'))
let keys: ClientKeys
let others: ClientKeys
beforeAll(async () => {
  keys = await makeClientKeys(join(folder, 'own'))
  others = await makeClientKeys(join(folder, 'other'))
})
afterAll(() => rmSync(folder, { recursive: true }))

interface Put {
  readonly handle: string
  readonly content: Buffer
  readonly scope?: string
  readonly condition?: 'absent' | { readonly revision: number }
}

/** As the Trustee Server behaves towards one client. */
class FakeTrustee {
  purgesTo: 'purged' | 'purging' = 'purged'
  readonly rows = new Map<
    string,
    { content: Buffer; revision: number; state: 'active' | 'disabled'; scope: string | undefined }
  >()

  async *list(_: number, after = '') {
    for (const handle of [...this.rows.keys()].sort())
      if (handle > after) yield { ...this.describe(handle) }
  }

  async find(handle: string) {
    return this.rows.has(handle) ? this.describe(handle) : undefined
  }

  async get(handle: string) {
    const row = this.rows.get(handle)
    if (!row) throw new DomainError('ERR_NOT_FOUND', 'none')
    if (row.state === 'disabled') throw new DomainError('ERR_DISABLED', 'removed')
    return { deposit: this.describe(handle), revision: row.revision, content: row.content }
  }

  async putBatch(puts: readonly Put[], removes: readonly string[]) {
    for (const { handle, condition } of puts) {
      const row = this.rows.get(handle)
      if (condition === 'absent' && row) throw new DomainError('ERR_ALREADY_EXISTS', 'taken')
      if (typeof condition === 'object' && condition.revision !== row?.revision)
        throw new DomainError('ERR_CONFLICT', 'changed')
    }
    for (const { handle, content, scope } of puts)
      this.rows.set(handle, {
        content,
        scope,
        revision: (this.rows.get(handle)?.revision ?? 0) + 1,
        state: 'active',
      })
    for (const handle of removes) Object.assign(this.rows.get(handle) ?? {}, { state: 'disabled' })
    return { deposits: [], removed: [] }
  }

  async purge(handle: string) {
    if (!this.rows.delete(handle)) throw new DomainError('ERR_NOT_FOUND', 'none')
    return {
      deposit: { handle, state: this.purgesTo },
      revokedKeys: 1,
      sharedRevisions: this.purgesTo === 'purging' ? 2 : 0,
    }
  }

  describe(handle: string) {
    const { revision, state } = this.rows.get(handle) ?? {}
    return { handle, revision, state }
  }
}

function open() {
  const trustee = new FakeTrustee()
  const settings = { organisation, server: 'https://x' } as never
  return { trustee, vault: trusteeVault({ settings, keys }, trustee as never) }
}

const put = (handle: string, text: string, over: number | 'absent' = 'absent') =>
  ({ handle: parseHandle(handle), content: Buffer.from(text), scope: 'service', over }) as const

describe.each([
  ['in memory', () => new MemoryVault() as Vault],
  ['of the Trustee Server', () => open().vault],
])(
  'a vault %s',
  (_, make) => {
    it('gives back what was written, by handle and by prefix', async () => {
      const vault = make()
      await vault.write([put('a.1', 'one'), put('a.2', 'two'), put('b.1', 'three')])
      expect(await vault.list('a.')).toEqual([
        { handle: 'a.1', revision: 1 },
        { handle: 'a.2', revision: 1 },
      ])
      expect(await vault.find('a.2' as Handle)).toEqual({ handle: 'a.2', revision: 1 })
      expect(await vault.find('a.3' as Handle)).toBeUndefined()
      const read = await vault.read('b.1' as Handle)
      expect([read.revision, read.content.toString()]).toEqual([1, 'three'])
      await expect(vault.read('v.c' as Handle)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })

    it('writes all or nothing, on its conditions', async () => {
      const vault = make()
      await vault.write([put('v.a', 'one')])
      await expect(vault.write([put('v.b', 'x'), put('v.a', 'two')])).rejects.toMatchObject({
        code: 'ERR_ALREADY_EXISTS',
      })
      await expect(vault.write([put('v.b', 'x'), put('v.a', 'two', 7)])).rejects.toMatchObject({
        code: 'ERR_CONFLICT',
      })
      expect(await vault.find('v.b' as Handle)).toBeUndefined()
      await vault.write([put('v.b', 'x'), put('v.a', 'two', 1)])
      expect((await vault.read('v.a' as Handle)).content.toString()).toBe('two')
    })

    it('shows nothing of what was removed, and wipes what it was given', async () => {
      const vault = make()
      const one = put('v.a', 'one')
      await vault.write([one, put('v.b', 'two')])
      expect(one.content.every((byte) => byte === 0)).toBe(true)
      await vault.write([], ['v.a' as Handle])
      expect(await vault.list('v.')).toMatchObject([{ handle: 'v.b' }])
      expect(await vault.find('v.a' as Handle)).toBeUndefined()
      await expect(vault.read('v.a' as Handle)).rejects.toMatchObject({ code: 'ERR_DISABLED' })
    })

    it('has nothing more of what was purged, which frees the handle, and purges it again', async () => {
      const vault = make()
      await vault.write([put('v.a', 'one'), put('v.b', 'two')])
      await vault.write([], ['v.b' as Handle])
      for (const handle of ['v.a', 'v.b', 'v.a', 'v.none'] as Handle[])
        expect(await vault.purge(handle)).toEqual({ pending: false, shared: 0 })
      await expect(vault.read('v.a' as Handle)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
      await vault.write([put('v.a', 'another')])
      expect((await vault.read('v.a' as Handle)).content.toString()).toBe('another')
    })
  },
  20_000,
)

describe('what the Trustee Server holds', () => {
  it('is sealed, and its scope is service unless it is for an HSM key of its own', async () => {
    const { trustee, vault } = open()
    await vault.write([put('a', 'marked secret'), { ...put('b', 'x'), scope: 'deposit' }])
    const row = trustee.rows.get('a')
    expect(row?.content.includes('marked secret')).toBe(false)
    expect([row?.scope, trustee.rows.get('b')?.scope]).toEqual(['service', undefined])
  })

  it('is believed only from this client’s own hand and under its own handle', async () => {
    const { trustee, vault } = open()
    await vault.write([put('a', 'one'), put('b', 'two')])
    const swapped = trustee.rows.get('a')?.content as Buffer
    Object.assign(trustee.rows.get('b') as object, { content: swapped })
    await expect(vault.read('b' as Handle)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
    const forged = await sealForReaders(Buffer.from('planted zone key'), {
      organisation,
      handle: parseHandle('a'),
      writer: others.identityKey,
      recipients: [await keys.recipient()],
      writtenAt: new Date(),
    })
    Object.assign(trustee.rows.get('a') as object, { content: forged })
    await expect(vault.read('a' as Handle)).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })

  it('is purging while the HSM does not answer', async () => {
    const { trustee, vault } = open()
    await vault.write([put('a', 'one')])
    trustee.purgesTo = 'purging'
    expect(await vault.purge('a' as Handle)).toEqual({ pending: true, shared: 2 })
  })

  it('cannot be too much at once', async () => {
    const { vault } = open()
    const handles = Array.from({ length: 101 }, (_, i) => `h${i}` as Handle)
    await expect(vault.write([], handles)).rejects.toMatchObject({ code: 'ERR_TOO_LARGE' })
  })
})
