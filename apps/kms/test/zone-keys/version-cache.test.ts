import { afterEach, describe, expect, it } from 'vitest'
import { DomainError } from '@keyhsm/core'
import { versionHandle } from '../../src/zone-keys/handles.js'
import { type CacheLimits, VersionCache } from '../../src/zone-keys/version-cache.js'
import { formatVersion } from '../../src/zone-keys/zone-key.js'
import { MemoryVault } from '../support/memory-vault.js'
import { TestClock } from '../support/test-clock.js'

const place = { name: 'k', uid: 'a'.repeat(26), index: 0, cipher: 'AES/CTR/NoPadding' }
const material = Buffer.alloc(16, 9)
const caches: VersionCache[] = []
afterEach(() => {
  for (const cache of caches.splice(0)) cache.close()
})

async function make(limits: CacheLimits) {
  const [vault, clock, held] = [new MemoryVault(), new TestClock(), { limits }]
  await vault.write([
    {
      handle: versionHandle(place.uid, 0),
      content: formatVersion(place, material),
      scope: 'deposit',
      over: 'absent',
    },
  ])
  const cache = new VersionCache(vault, clock, () => held.limits)
  caches.push(cache)
  const use = async () =>
    cache.use(place, (version) => version.expose((bytes) => Buffer.from(bytes)))
  return { vault, clock, cache, use, held }
}

describe('opened zone keys', () => {
  it('are used again within their time, then opened anew', async () => {
    const { clock, cache, use } = await make({ maxAgeMs: 1000, maxUses: 100 })
    for (let i = 0; i < 5; i += 1) expect(await use()).toEqual(material)
    expect(cache.opened).toBe(1)
    clock.advance(1000)
    await use()
    expect(cache.opened).toBe(2)
  })

  it('are used no more often than they may be', async () => {
    const { cache, use } = await make({ maxAgeMs: 1000, maxUses: 3 })
    for (let i = 0; i < 7; i += 1) await use()
    expect(cache.opened).toBe(3)
  })

  it('are opened once for all who wait', async () => {
    const { cache, use } = await make({ maxAgeMs: 1000, maxUses: 100 })
    await Promise.all(Array.from({ length: 20 }, use))
    expect(cache.opened).toBe(1)
  })

  it('are opened for each use where nothing may be kept', async () => {
    const { cache, use } = await make({ maxAgeMs: 0, maxUses: 100 })
    await use()
    await use()
    expect([cache.opened, cache.size]).toEqual([2, 0])
  })

  it('are wiped when their time is over, also when nobody asks', async () => {
    const { clock, cache } = await make({ maxAgeMs: 1000, maxUses: 100 })
    const lent = await cache.use(place, (version) => ({
      version,
      eeks: version.eeks,
      material: version.expose((bytes) => bytes),
    }))
    const eek = { iv: Buffer.alloc(16), material: Buffer.alloc(16) }
    expect(lent.eeks.apply(eek)).toHaveLength(16)
    clock.advance(1000)
    cache.sweep()
    expect([cache.size, lent.material.equals(Buffer.alloc(16))]).toEqual([0, true])
    expect(() => lent.version.eeks).toThrow('wiped')
    expect(() => lent.eeks.apply(eek)).toThrow()
  })

  it('are forgotten by key, also while they are being opened', async () => {
    const { cache, use } = await make({ maxAgeMs: 1000, maxUses: 100 })
    const opening = use()
    cache.forget(place.uid)
    expect(await opening).toEqual(material)
    expect(cache.size).toBe(0)
    await use()
    cache.forget(place.uid)
    await use()
    expect(cache.opened).toBe(3)
  })

  it('follow a limit that is lowered', async () => {
    const { cache, use, held } = await make({ maxAgeMs: 60_000, maxUses: 100 })
    await use()
    held.limits = { maxAgeMs: 10, maxUses: 100 }
    await use()
    expect(cache.opened).toBe(2)
  })

  it('are asked for again after a failure', async () => {
    const { vault, use } = await make({ maxAgeMs: 1000, maxUses: 100 })
    vault.faults.push(new DomainError('ERR_HSM_UNAVAILABLE', 'away'))
    await expect(use()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
    expect(await use()).toEqual(material)
  })

  it.each([
    { name: 'other' },
    { uid: 'b'.repeat(26) },
    { index: 1 },
    { cipher: 'SM4/CTR/NoPadding' },
  ])('are refused when the deposit holds another one: %j', async (other) => {
    const { vault, use } = await make({ maxAgeMs: 1000, maxUses: 100 })
    const content = formatVersion({ ...place, ...other }, material)
    await vault.write([{ handle: versionHandle(place.uid, 0), content, scope: 'deposit', over: 1 }])
    await expect(use()).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })
})
