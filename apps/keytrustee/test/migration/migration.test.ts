import { readFile, stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import type { TrusteeClient } from '@keyhsm/client'
import { type Handle, newUuid, systemClock, type Uuid } from '@keyhsm/core'
import {
  joinRoute,
  leaveRoute,
  listHsmKeyUsesRoute,
  listMigrationsRoute,
  orderMigrationRoute,
  planJoinRoute,
  planMigrationRoute,
  startMigrationRoute,
  statusRoute,
} from '@keyhsm/protocol'
import { describe, expect, test } from 'vitest'
import { parseGrantKey } from '../../src/grant-key.js'
import type { Paths } from '../../src/paths.js'
import { renameDeposits } from '../../src/migration/rename-deposits.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import type { Store } from '../../src/store/store.js'
import {
  addTestOrganisation,
  enrolTestClient,
  makeHome,
  type RunningServer,
  startIn,
} from '../support/running-server.js'
import { useTrustedPair } from '../support/trusted-pair.js'

const patienceMs = 120_000
const settings = ['keytrustee.sealing=pass-through']

const real = useTrustedPair()

interface Site {
  readonly at: RunningServer
  readonly store: Store
  readonly paths: Paths
  readonly client: TrusteeClient
  readonly auth: string
}

/** A pass-through server with one client; every site has the same pair for Key HSM, and so the same realm. */
async function openSite(more: readonly string[] = []): Promise<Site> {
  const store = openMemoryStore()
  const paths = await makeHome([...settings, ...more])
  await real.copyTo(paths)
  const at = await startIn(paths, { store })
  const { auth } = await addTestOrganisation(at)
  const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
  return { at, store, paths, client, auth }
}

function joinBody(more: object = {}) {
  return { url: real.keyHsm.url, serverCertificate: real.keyHsm.certificate, ...more }
}

async function fill({ client }: Site, handles: readonly string[]): Promise<void> {
  for (const handle of handles) await client.put({ handle, content: Buffer.from(`of ${handle}`) })
}

async function expectContent({ client }: Site, handles: readonly string[]): Promise<void> {
  for (const handle of handles)
    expect((await client.get(handle)).content.toString()).toBe(`of ${handle}`)
}

async function newestOf(at: RunningServer) {
  return (await at.admin(listMigrationsRoute)).migrations[0]
}

async function reaches(at: RunningServer, state: string) {
  for (let left = 1000; left > 0; left -= 1) {
    const newest = await newestOf(at)
    if (newest?.state === state) return newest
    await pause(20)
  }
  return expect.fail(`never ${state}: ${JSON.stringify(await at.admin(listMigrationsRoute))}`)
}

async function keysOf({ at }: Site): Promise<readonly string[]> {
  const { keys } = await at.admin(listHsmKeyUsesRoute)
  return keys.filter(({ uses }) => uses.length > 0).map(({ id }) => id)
}

function act(at: RunningServer, what: 'pause' | 'resume' | 'finish' | 'rollback') {
  return at.admin(orderMigrationRoute, { body: { requestId: newUuid(), act: what } })
}

function migrate(at: RunningServer, wish: object) {
  return at.admin(startMigrationRoute, { body: { requestId: newUuid(), ...wish } })
}

const refusal = (code: string) => ({ code })

describe('moving deposits', { timeout: patienceMs }, () => {
  test('into the HSM with joining, between scopes with a way back, out of it again, and parting', async () => {
    const site = await openSite()
    const { at, store, client, paths } = site
    const handles = ['a', 'b', 'c', 'd']
    await fill(site, handles)
    await client.put({ handle: 'a', content: Buffer.from('of a') })
    await client.remove('d')

    await expect(at.admin(joinRoute, { body: joinBody() })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: expect.stringContaining('3 active deposits') as string,
    })
    const { plan } = await at.admin(planJoinRoute, { body: joinBody() })
    expect(plan).toMatchObject({ deposits: 4, revisions: 5, hsmKeys: 5, fits: true, offending: 0 })
    expect(await store.findJoin()).toBeUndefined()

    const joined = await at.admin(joinRoute, { body: joinBody({ migrate: true }) })
    expect(joined.migration).toMatchObject({ total: 5, source: 'pass-through' })
    expect(await reaches(at, 'finished')).toMatchObject({ moved: 5, failed: 0, overtaken: 0 })
    await expect(stat(paths.migration)).rejects.toMatchObject({ code: 'ENOENT' })
    await expectContent(site, ['a', 'b', 'c'])
    await client.undelete('d')
    await expectContent(site, handles)
    const inside = { from: { sealing: 'pass-through' }, to: { sealing: 'hsm' } } as const
    expect((await store.countToMove(inside)).revisions).toBe(0)
    expect(await store.listFormer({ swappable: false, limit: 9 })).toEqual([])
    const owned = await keysOf(site)
    expect(owned).toHaveLength(5)

    const wish = { scope: 'service', kind: 'aes-256' } as const
    expect(await at.admin(planMigrationRoute, { body: wish })).toMatchObject({ hsmKeys: 1 })
    await migrate(at, wish)
    await expect(migrate(at, wish)).rejects.toMatchObject(refusal('ERR_CONFLICT'))
    expect(await reaches(at, 'moved')).toMatchObject({
      moved: 5,
      target: expect.stringContaining('scope service kind aes-256') as string,
    })
    await expectContent(site, handles)
    // Both forms are needed until one is dropped; what is put now goes to the new one at once.
    await client.put({ handle: 'e', content: Buffer.from('of e') })
    expect(await keysOf(site)).toHaveLength(6)
    const e = async () => (await client.get('e')).deposit.uuid as Uuid
    expect((await store.findRevision(await e(), 1))?.scope).toBe('service')
    await act(at, 'rollback')
    await reaches(at, 'rolled-back')
    expect((await store.findRevision(await e(), 1))?.scope).toBe('deposit')
    await expectContent(site, [...handles, 'e'])
    expect((await keysOf(site)).filter((key) => owned.includes(key))).toHaveLength(5)

    await migrate(at, wish)
    await reaches(at, 'moved')
    await act(at, 'finish')
    await reaches(at, 'finished')
    await expectContent(site, [...handles, 'e'])
    expect(await keysOf(site)).toHaveLength(1)

    const out = { to: 'pass-through' }
    await expect(migrate(at, out)).rejects.toMatchObject(refusal('ERR_NOT_ALLOWED'))
    await expect(at.admin(leaveRoute, { body: { requestId: newUuid() } })).rejects.toMatchObject(
      refusal('ERR_CONFLICT'),
    )
    await migrate(at, { ...out, understood: true, finish: true })
    await reaches(at, 'finished')
    await fill(site, ['f'])
    expect((await client.get('f')).deposit.sealing).toBe('pass-through')
    expect(await at.admin(leaveRoute, { body: { requestId: newUuid() } })).toEqual({
      sealing: 'pass-through',
    })
    await expect(stat(paths.join)).rejects.toMatchObject({ code: 'ENOENT' })
    await at.server.stop(1_000)
    const later = await startIn(paths, { store })
    expect(await later.admin(statusRoute)).toMatchObject({ healthy: true, sealing: 'pass-through' })
    const lines = (await later.auditLines()).filter(({ event }) => event === 'outcome')
    const done = new Set(lines.map(({ operation, outcome }) => `${operation} ${outcome}`))
    for (const expected of [
      'migrate-start done',
      'migrate done',
      'migrate-drop revoked',
      'leave done',
    ])
      expect(done).toContain(expected)
  })

  test('goes on after a restart, waits for a Key HSM that is away, and serves meanwhile', async () => {
    const site = await openSite()
    const handles = Array.from({ length: 12 }, (_, index) => `handle-${index}`)
    await fill(site, handles)
    await site.at.admin(joinRoute, { body: joinBody() }).catch(() => undefined)
    const body = joinBody({ migrate: true, keepFormer: true })
    await site.at.admin(joinRoute, { body })
    await act(site.at, 'pause')
    const at = await reaches(site.at, 'paused')
    expect(at.moved).toBeLessThanOrEqual(12)
    await expectContent(site, handles)
    await real.keyHsm.stop()
    await act(site.at, 'resume')
    await pause(300)
    await site.at.server.stop(1_000)
    await real.keyHsm.start()
    const again = await startIn(site.paths, { store: site.store })
    expect(await reaches(again, 'moved')).toMatchObject({ total: 12, failed: 0 })
    expect((await again.admin(statusRoute)).migration).toContain('moved: 12 of 12')
    expect((await stat(site.paths.migration)).mode & 0o777).toBe(0o600)
    // The way back into what they were.
    await act(again, 'rollback')
    await reaches(again, 'rolled-back')
    const rest = { from: { sealing: 'hsm' }, to: { sealing: 'pass-through' } } as const
    expect((await site.store.countToMove(rest)).revisions).toBe(0)
  })

  test('is rolled back from where it was paused: what was moved comes back, nothing else is touched', async () => {
    const site = await openSite()
    const handles = Array.from({ length: 600 }, (_, index) => `handle-${index}`)
    await fill(site, handles)
    await site.at.admin(joinRoute, { body: joinBody({ migrate: true, keepFormer: true }) })
    while (!(await newestOf(site.at))?.moved) await pause(2)
    await act(site.at, 'pause')
    const { moved } = await reaches(site.at, 'paused')
    expect(moved).toBeGreaterThan(0)
    expect(moved).toBeLessThan(600)
    const outside = { from: { sealing: 'pass-through' }, to: { sealing: 'hsm' } } as const
    expect((await site.store.countToMove(outside)).revisions).toBe(600 - moved)
    await act(site.at, 'rollback')
    await reaches(site.at, 'rolled-back')
    expect((await site.store.countToMove(outside)).revisions).toBe(600)
    expect(await site.store.listFormer({ swappable: false, limit: 9 })).toEqual([])
    expect(await keysOf(site)).toEqual([])
    await expectContent(site, handles.slice(0, 8))
  })

  test('a purge covers what a deposit is and what it was; a lost race leaves no key', async () => {
    const site = await openSite()
    const { at, client, store } = site
    await at.admin(joinRoute, { body: joinBody() })
    await fill(site, ['gone', 'kept'])
    const before = await keysOf(site)
    await migrate(at, { reseal: true })
    await reaches(at, 'moved')
    expect(await keysOf(site)).toHaveLength(4)
    const uuid = (await client.get('gone')).deposit.uuid as Uuid
    const purged = await client.purge('gone')
    expect(purged).toMatchObject({ revokedKeys: 2, sharedRevisions: 0 })
    expect(await store.listFormer({ deposit: uuid })).toEqual([])
    await act(at, 'finish')
    await reaches(at, 'finished')
    const after = await keysOf(site)
    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0])
    await expectContent(site, ['kept'])
  })

  test('what cannot be opened stays where it is and is named', async () => {
    const site = await openSite()
    const { at, client } = site
    await at.admin(joinRoute, { body: joinBody() })
    await fill(site, ['lost', 'kept'])
    const { keys } = await at.admin(listHsmKeyUsesRoute)
    const lost = keys.find(({ uses }) => uses.some(({ handle }) => handle === 'lost'))
    await real.keyHsm.command('keys', 'revoke', lost?.id ?? '', '--yes')
    await migrate(at, { scope: 'service', finish: true })
    expect(await reaches(at, 'moved')).toMatchObject({
      moved: 1,
      failed: 1,
      note: '1 revisions could not be moved',
    })
    expect((await at.admin(listMigrationsRoute)).failures).toMatchObject([
      { handle: 'lost', revision: 1, code: 'ERR_IRRETRIEVABLE' },
    ])
    await act(at, 'finish')
    await reaches(at, 'finished')
    await expectContent(site, ['kept'])
    await expect(client.get('lost')).rejects.toMatchObject(refusal('ERR_IRRETRIEVABLE'))
  })

  test('is finished at the rate at which keys may be revoked', async () => {
    const site = await openSite()
    const { at, store } = site
    await at.admin(joinRoute, { body: joinBody() })
    const handles = Array.from({ length: 40 }, (_, index) => `handle-${index}`)
    await fill(site, handles)
    const before = await keysOf(site)
    await migrate(at, { reseal: true })
    await reaches(at, 'moved')
    const warnings: string[] = []
    const note = ({ name }: Error) => warnings.push(name)
    process.on('warning', note)
    const restore = await real.keyHsm.set('keyhsm.revoke.rate', '5')
    try {
      await act(at, 'finish')
      while (!(await newestOf(at))?.note) await pause(20)
      expect(await newestOf(at)).toMatchObject({
        state: 'finishing',
        note: expect.stringContaining('revokes more than 5 HSM keys a second') as string,
      })
      await reaches(at, 'finished')
    } finally {
      await restore()
      process.off('warning', note)
    }
    // Each wait lets go of the signal that would end it.
    expect(warnings).not.toContain('MaxListenersExceededWarning')
    expect(await store.listFormer({ swappable: false, limit: 9 })).toEqual([])
    const after = await keysOf(site)
    expect(after.filter((key) => before.includes(key))).toEqual([])
    await expectContent(site, handles)
  })

  test('a deposit with trustees moves within the HSM, and stops the way out by its name', async () => {
    const { at, client, auth } = await openSite()
    await at.admin(joinRoute, { body: joinBody() })
    const trustee = { organisation: 'PROD', auth, clientName: 'trustee' }
    const { identityKey } = (await enrolTestClient(at, trustee)).body
    const trustees = { required: 1, keys: [identityKey] }
    await client.put({ handle: 'vault', content: Buffer.from('of vault'), trustees })
    await client.put({ handle: 'plain', content: Buffer.from('of plain') })

    await migrate(at, { scope: 'service', finish: true })
    expect(await reaches(at, 'finished')).toMatchObject({ moved: 2, failed: 0 })
    await expect(client.get('vault')).rejects.toMatchObject(refusal('ERR_APPROVAL_NEEDED'))

    const out = { to: 'pass-through' }
    expect((await at.admin(planMigrationRoute, { body: out })).offenders).toMatchObject([
      { handle: 'vault', reason: expect.stringContaining('its trustees') as string },
    ])
    await expect(migrate(at, { ...out, understood: true })).rejects.toMatchObject(
      refusal('ERR_CONFLICT'),
    )
    expect((await client.get('plain')).deposit.sealing).toBe('hsm')
  })

  test('refuses plainly: not joined, unknown places, nothing to do, nothing under way', async () => {
    const { at, paths } = await openSite()
    await expect(migrate(at, { scope: 'service' })).rejects.toMatchObject(refusal('ERR_NOT_JOINED'))
    await expect(at.admin(leaveRoute, { body: { requestId: newUuid() } })).rejects.toMatchObject(
      refusal('ERR_NOT_JOINED'),
    )
    await expect(act(at, 'finish')).rejects.toMatchObject(refusal('ERR_NOT_FOUND'))
    await at.admin(joinRoute, { body: joinBody() })
    for (const wish of [{}, { to: 'nowhere' }, { from: 'nowhere', scope: 'service' }])
      await expect(migrate(at, wish)).rejects.toMatchObject(refusal('ERR_INVALID_INPUT'))
    await expect(migrate(at, { to: 'pass-through', scope: 'service' })).rejects.toMatchObject(
      refusal('ERR_INVALID_INPUT'),
    )
    await expect(readFile(paths.migration)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('moving deposits by rules', { timeout: patienceMs }, () => {
  test('names that break the rules stop it before anything moves; a map gives them others', async () => {
    const site = await openSite()
    const { at, store, client } = site
    await fill(site, ['a', 'b', 'good'])
    const grants = parseGrantKey(await readFile(site.paths.grantKey, 'utf8'))
    const audit = { append: () => Promise.resolve({ sequence: 1, hash: '' }) }
    const by = { requestId: newUuid(), actor: 'test' }
    const rename = async (from: string, to: string) => {
      const [deposit] = await store.listByHandle(from as Handle, 1)
      if (!deposit) return expect.fail(`no ${from}`)
      const one = [{ deposit, handle: to as Handle }]
      await renameDeposits({ store, grants, audit, clock: systemClock }, by, one)
      return deposit.uuid
    }
    // As a store may hold them that was filled under another rule.
    const first = await rename('a', 'a key')
    const second = await rename('b', 'a?key')
    const planned = await at.admin(planJoinRoute, { body: joinBody() })
    expect(planned.plan).toMatchObject({ offending: 2, renamed: 0 })
    expect(planned.plan?.offenders).toMatchObject([
      { deposit: first, handle: 'a key', suggestion: 'a_key' },
      { deposit: second, handle: 'a?key', suggestion: `a_key-${second.slice(0, 8)}` },
    ])
    const join = (names: readonly { deposit: string; handle: string }[]) =>
      at.admin(joinRoute, { body: joinBody({ migrate: true, names }) })
    await expect(join([])).rejects.toMatchObject(refusal('ERR_CONFLICT'))
    const one = { deposit: 'a key', handle: 'a-key' }
    await expect(join([one])).rejects.toMatchObject(refusal('ERR_CONFLICT'))
    for (const wrong of [
      [one, one],
      [one, { deposit: 'nobody', handle: 'somebody' }],
      [one, { deposit: 'good', handle: 'better' }],
    ])
      await expect(join(wrong)).rejects.toMatchObject({
        code: 'ERR_INVALID_INPUT',
        message: expect.stringContaining('names') as string,
      })
    const taken = [one, { deposit: second, handle: 'good' }]
    const refused = await at.admin(planJoinRoute, { body: joinBody({ names: taken }) })
    expect(refused.plan?.offenders).toMatchObject([
      { deposit: second, reason: expect.stringContaining('has a deposit good already') as string },
    ])
    expect(await store.findJoin()).toBeUndefined()
    expect((await store.listByHandle('a key' as Handle, 1)).length).toBe(1)

    const names = [one, { deposit: second, handle: 'b-key' }]
    const mapped = await at.admin(planJoinRoute, { body: joinBody({ names }) })
    expect(mapped.plan).toMatchObject({ offending: 0, renamed: 2 })
    await join(names)
    expect(await reaches(at, 'finished')).toMatchObject({ moved: 3, failed: 0 })
    expect((await client.get('a-key')).content.toString()).toBe('of a')
    expect((await client.get('b-key')).content.toString()).toBe('of b')
    await expectContent(site, ['good'])
    await client.put({ handle: 'a-key', content: Buffer.from('again') })
    const renames = (await at.auditLines()).filter(({ operation }) => operation === 'rename')
    expect(renames.filter(({ event }) => event === 'outcome')).toHaveLength(2)
    await expect(at.admin(planJoinRoute, { body: joinBody({ names }) })).rejects.toMatchObject(
      refusal('ERR_INVALID_INPUT'),
    )
  })

  test('what is older than a setting gets new keys by itself', async () => {
    const site = await openSite(['keytrustee.reseal.older-than=90d', 'keytrustee.reseal.every=1s'])
    const { at, store } = site
    await at.admin(joinRoute, { body: joinBody() })
    await fill(site, ['old', 'young'])
    const before = await keysOf(site)
    const [deposit] = await store.listByHandle('old' as Handle, 1)
    const revision = deposit && (await store.findRevision(deposit.uuid, 1))
    if (!revision) throw new Error('not stored')
    const sealedAt = new Date(Date.now() - 91 * 86400_000)
    await store.withTransaction(async (t) => {
      const exchange = { before: '', next: '', swappable: false }
      await t.swapForm(revision, { ...revision, sealedAt }, exchange)
      await t.deleteFormer([revision.uuid])
    })
    expect(await reaches(at, 'finished')).toMatchObject({ moved: 1, startedBy: 'service' })
    const after = await keysOf(site)
    expect(after.filter((key) => before.includes(key))).toHaveLength(1)
    await expectContent(site, ['old', 'young'])
  })
})
