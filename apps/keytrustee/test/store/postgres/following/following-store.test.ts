/** Following a real database: who may write, what a missing standby means, which timeline is believed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { newUuid } from '@keyhsm/core'
import type { Fingerprint, Uuid } from '@keyhsm/core'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { openFollowingStore } from '../../../../src/store/postgres/following/following-store.js'
import { openPostgresStore } from '../../../../src/store/postgres/postgres-store.js'
import { CommitUnknown, type Organisation, type Store } from '../../../../src/store/store.js'
import { makePrivateCluster, type PrivateCluster } from '../../../support/private-cluster.js'
import { withClient } from '../../../support/with-postgres.js'

let cluster: PrivateCluster
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kt-follow-'))
  cluster = await makePrivateCluster()
}, 60_000)
afterAll(async () => {
  await cluster.remove()
  await rm(folder, { recursive: true, force: true })
})

const own = () => ({
  node: newUuid(),
  name: 'test',
  url: 'https://localhost:1',
  serverFingerprint: 'ab'.repeat(32) as Fingerprint,
  version: '1',
})

async function follow(timelineFile: string, others: readonly number[] = []): Promise<Store> {
  const store = await openFollowingStore({
    addresses: [cluster.service, ...others.map((port) => ({ ...cluster.service, port }))],
    own: own(),
    timelineFile: join(folder, timelineFile),
    maxStalenessMs: 30_000,
    onChange: () => undefined,
  })
  onTestFinished(() => store.close())
  return store
}

const organisation = (): Organisation => ({
  uuid: newUuid(),
  name: `o${Date.now()}`,
  contacts: [],
  state: 'active',
  authHash: 'x',
  createdAt: new Date(),
  grant: 'x',
})

function cancelWaits(): Promise<unknown> {
  return withClient(cluster.administrator, (client) =>
    client.query(
      `select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'`,
    ),
  )
}

async function setStandbys(names: string): Promise<void> {
  await withClient(cluster.administrator, async (client) => {
    await client.query(`alter system set synchronous_standby_names = '${names}'`)
    await client.query('select pg_reload_conf()')
  })
  await pause(200)
}

it('writes, says who it is, and remembers the timeline', async () => {
  const store = await follow('first.json')
  expect(store.reach()).toMatchObject({ mode: 'writer', shared: true })
  const row = organisation()
  await store.withTransaction((transaction) => transaction.insertOrganisation(row))
  expect(await store.findOrganisation({ uuid: row.uuid })).toMatchObject({ name: row.name })
  expect(store.installation?.()).toMatchObject({ timeline: 1, noLoss: false })
  expect(JSON.parse(await readFile(join(folder, 'first.json'), 'utf8'))).toMatchObject({
    timeline: 1,
  })
  expect(await store.probe()).toMatchObject({ state: 'ready' })
})

it('with several copies and no synchronous standby: red', async () => {
  const store = await follow('several.json', [1])
  const { state, detail } = await store.probe()
  expect(state).toBe('unavailable')
  expect(detail).toContain('synchronous_standby_names')
})

it('refuses a timeline lower than any seen, also after a restart', async () => {
  const store = await follow('seen.json')
  const { system } = JSON.parse(await readFile(join(folder, 'seen.json'), 'utf8')) as {
    readonly system: string
  }
  expect(store.reach().mode).toBe('writer')
  await writeFile(join(folder, 'later.json'), JSON.stringify({ system, timeline: 9 }))
  const later = await follow('later.json')
  expect(later.reach().mode).toBe('none')
  expect((await later.probe()).detail).toContain('timeline 1 was left behind')
  await expect(later.countDeposits()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  const write = later.withTransaction((transaction) =>
    transaction.insertOrganisation(organisation()),
  )
  await expect(write).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
}, 20_000)

it('refuses a damaged file of the timeline', async () => {
  await writeFile(join(folder, 'damaged.json'), '{"timeline":0.5}')
  await expect(follow('damaged.json')).rejects.toMatchObject({ code: 'ERR_SETTINGS' })
})

it('a commit that no standby confirms is unknown, never acknowledged; then nothing is written', async () => {
  const store = await follow('lonely.json')
  const plain = await openPostgresStore({
    address: cluster.service,
    cluster: 'private',
  })
  onTestFinished(() => plain.close())
  await setStandbys('nobody')
  onTestFinished(() => setStandbys(''))
  const row = organisation()
  const commit = plain.withTransaction((transaction) => transaction.insertOrganisation(row))
  commit.catch(() => undefined)
  // Nobody sees what waits for its standby; cancelled by a person, it is there, and still not acknowledged.
  await pause(500)
  expect(await store.findOrganisation({ uuid: row.uuid })).toBeUndefined()
  await cancelWaits()
  await expect(commit).rejects.toBeInstanceOf(CommitUnknown)
  expect(await store.findOrganisation({ uuid: row.uuid })).toBeDefined()
  // The lease ends: no beat is confirmed any more.
  await pause(4_000)
  expect(store.reach().mode).toBe('reader')
  await expect(
    store.withTransaction((transaction) => transaction.insertOrganisation(organisation())),
  ).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  expect((await store.probe()).detail).toContain('no standby confirms')
  expect(await store.countDeposits()).toBe(0)
}, 20_000)

it('shows the other servers how its Key HSM is, and writes only what changed', async () => {
  const [one, other] = [await follow('shows.json'), await follow('sees.json')]
  const node = one.installation?.().own
  const seen = () => other.installation?.().nodes.find((row) => row.node === node)?.keyHsm
  expect(seen()).toBeUndefined()
  for (const now of [
    { healthy: true, detail: 'ready: a device' },
    { healthy: false, detail: 'the HSM cannot be asked now' },
  ]) {
    await one.showKeyHsm?.(now)
    await vi.waitFor(() => expect(seen()).toEqual(now), { timeout: 5_000 })
  }
  // Unchanged, it is not written again: a row changed behind its back stays as it is.
  await withClient(cluster.administrator, (client) =>
    client.query('update keytrustee.nodes set key_hsm = null where node = $1', [node]),
  )
  await one.showKeyHsm?.({ healthy: false, detail: 'the HSM cannot be asked now' })
  await vi.waitFor(() => expect(seen()).toBeUndefined(), { timeout: 5_000 })
}, 20_000)

it('a schema of the release before has no place for it, and nothing else is missing', async () => {
  const store = await follow('before.json')
  await withClient(cluster.administrator, (client) =>
    client.query('alter table keytrustee.nodes rename column key_hsm to later'),
  )
  onTestFinished(() =>
    withClient(cluster.administrator, async (client) => {
      await client.query('alter table keytrustee.nodes rename column later to key_hsm')
    }),
  )
  await store.showKeyHsm?.({ healthy: true, detail: 'ready' })
  expect(store.reach().mode).toBe('writer')
  // Two looks later.
  await pause(2_500)
  const own = store.installation?.()
  expect(own?.nodes.find(({ node }) => node === own.own)).not.toHaveProperty('keyHsm')
}, 20_000)

it('serves nothing once another server removed it, and does not write itself back', async () => {
  const [remover, removed] = [await follow('remover.json'), await follow('removed.json')]
  const node = removed.installation?.().own as Uuid
  expect(await remover.forgetNode?.(node)).toBe(true)
  // At once, not at the next look at the copy.
  expect(remover.installation?.().nodes.map((one) => one.node)).not.toContain(node)
  expect(await remover.forgetNode?.(node)).toBe(false)
  await vi.waitFor(() => expect(removed.reach().mode).toBe('none'), { timeout: 5_000 })
  expect(removed.installation?.().detail).toContain('was removed from the installation')
  await expect(removed.forgetNode?.(newUuid())).rejects.toMatchObject({
    code: 'ERR_STORE_UNAVAILABLE',
  })
  // Two of its beats later.
  await pause(2_500)
  expect(remover.installation?.().nodes.map((one) => one.node)).not.toContain(node)
  expect(remover.reach().mode).toBe('writer')
}, 20_000)
