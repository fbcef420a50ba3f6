import { copyFile, cp } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { TrusteeClient } from '@keyhsm/client'
import { newUuid } from '@keyhsm/core'
import {
  joinRoute,
  listMigrationsRoute,
  orderMigrationRoute,
  startMigrationRoute,
} from '@keyhsm/protocol'
import { describe, expect, test } from 'vitest'
import type { Paths } from '../../src/paths.js'
import { openMemoryStore } from '../../src/store/memory-store.js'
import { onlyCopy, type Store } from '../../src/store/store.js'
import {
  addTestOrganisation,
  enrolTestClient,
  makeHome,
  type RunningServer,
  startIn,
} from '../support/running-server.js'
import { useTrustedPair } from '../support/trusted-pair.js'

const patienceMs = 120_000

const real = useTrustedPair()

interface Site {
  readonly at: RunningServer
  readonly paths: Paths
  readonly client: TrusteeClient
}

interface Installation {
  readonly store: Store
  readonly first: Site
  readonly second: Site
}

/** Two servers of one installation, in pass-through, each with a client. */
async function openInstallation(): Promise<Installation> {
  const store = openMemoryStore()
  store.reach = () => ({ ...onlyCopy, shared: true })
  const home = async (like?: Paths) => {
    const paths = await makeHome(['keytrustee.sealing=pass-through'])
    await real.copyTo(paths)
    if (!like) return paths
    await copyFile(like.grantKey, paths.grantKey)
    await cp(join(like.root, '.ca'), join(paths.root, '.ca'), { recursive: true })
    return paths
  }
  const one = await home()
  const two = await home(one)
  const at = { first: await startIn(one, { store }), second: await startIn(two, { store }) }
  const { auth } = await addTestOrganisation(at.first)
  const enrol = (server: RunningServer, clientName: string) =>
    enrolTestClient(server, { organisation: 'PROD', auth, clientName })
  const first = await enrol(at.first, 'client-1')
  const second = await enrol(at.second, 'client-2')
  return {
    store,
    first: { at: at.first, paths: one, client: first.client },
    second: { at: at.second, paths: two, client: second.client },
  }
}

const body = () => ({ url: real.keyHsm.url, serverCertificate: real.keyHsm.certificate })
const put = ({ client }: Site, handle: string) =>
  client.put({ handle, content: Buffer.from(`of ${handle}`) })

async function reaches({ at }: Site, state: string) {
  for (let left = 1000; left > 0; left -= 1) {
    const [newest] = (await at.admin(listMigrationsRoute)).migrations
    if (newest?.state === state) return newest
    await pause(20)
  }
  return expect.fail(`never ${state}`)
}

/** How each present revision is kept. */
async function forms(store: Store): Promise<readonly string[]> {
  const all = { from: { sealing: 'hsm' }, to: { sealing: 'pass-through' } } as const
  const page = { limit: 1000, maxBytes: 1e9 }
  const sealed = await store.listToMove(all, page)
  const plain = await store.listToMove({ from: all.to, to: all.from }, page)
  return [...sealed, ...plain].map(({ revision }) => `${revision.sealing} ${revision.scope ?? '-'}`)
}

describe('a migration with several servers', { timeout: patienceMs }, () => {
  test('takes the puts of all of them along, from the moment it begins', async () => {
    const { store, first, second } = await openInstallation()
    await put(first, 'a')
    await put(second, 'b')

    // One joins and moves everything in: the other passes nothing through any more.
    await first.at.admin(joinRoute, { body: { ...body(), migrate: true } })
    await expect(put(second, 'c')).rejects.toMatchObject({ code: 'ERR_NOT_JOINED' })
    await reaches(first, 'finished')
    expect(await forms(store)).toEqual(['hsm deposit', 'hsm deposit'])
    await second.at.admin(joinRoute, { body: body() })
    await put(second, 'c')

    // Puts of the other that began before are refused at their commit, and sealed again as they should be.
    const putting = Array.from({ length: 12 }, (_, index) => put(second, `d${index}`))
    const wish = { from: 'default', to: 'default', scope: 'service' } as const
    await first.at.admin(startMigrationRoute, { body: { requestId: newUuid(), ...wish } })
    await put(second, 'e')
    await Promise.all(putting)
    await reaches(first, 'moved')
    expect(new Set(await forms(store))).toEqual(new Set(['hsm service']))

    const act = (what: 'finish' | 'rollback') =>
      first.at.admin(orderMigrationRoute, { body: { requestId: newUuid(), act: what } })
    await act('finish')
    await reaches(first, 'finished')
    await put(second, 'f')
    expect(new Set(await forms(store))).toEqual(new Set(['hsm service']))
    for (const handle of ['b', 'c', 'd0', 'd11', 'e', 'f'])
      expect((await second.client.get(handle)).content.toString()).toBe(`of ${handle}`)

    // A restart changes nothing, nor does what somebody else writes into the database, or puts back.
    await second.at.server.stop(1_000)
    const again = await startIn(second.paths, { store })
    const present = await store.findDirection()
    if (!present) throw new Error('no direction')
    const save = (row: typeof present) =>
      store.withTransaction((transaction) => transaction.saveDirection(row))
    await save({ ...present, directed: present.directed + 1 })
    await expect(put(first, 'g')).rejects.toMatchObject({ code: 'ERR_UNAVAILABLE' })
    await save(present)
    await put(first, 'g')
    await first.at.admin(startMigrationRoute, {
      body: { requestId: newUuid(), ...wish, scope: 'organisation' },
    })
    await reaches(first, 'moved')
    await save(present)
    await put(first, 'h')
    expect(new Set(await forms(store))).toEqual(new Set(['hsm organisation']))
    expect((await store.findDirection())?.directed).toBeGreaterThan(present.directed)
    expect(again.url).not.toBe(second.at.url)
  })
})
