import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.js'
import type { Client, Store } from '../../../src/store/store.js'
import { enrol, putDeposit } from '../../support/rows.js'
import { makePrivateCluster, type PrivateCluster } from '../../support/private-cluster.js'

/** A database that goes away and comes back, under one open store that nobody reopens. */
describe('the store of a database that', () => {
  let cluster: PrivateCluster
  let store: Store
  let client: Client
  const unavailable = { code: 'ERR_STORE_UNAVAILABLE' }

  beforeAll(async () => {
    cluster = await makePrivateCluster()
    const timeouts = { connectMs: 1_000, answerMs: 1_000 }
    store = await openPostgresStore({ address: cluster.service, cluster: 'private', timeouts })
    client = (await enrol(store)).client
  }, 60_000)
  afterAll(async () => {
    await store.close()
    await cluster.remove()
  }, 30_000)

  async function expectUnavailable(): Promise<void> {
    await expect(store.findClient({ uuid: client.uuid })).rejects.toMatchObject(unavailable)
    await expect(putDeposit(store, client)).rejects.toMatchObject(unavailable)
    expect(await store.probe()).toMatchObject({ state: 'unavailable' })
  }

  it('was stopped says unavailable, and works again when it is back', async () => {
    const { deposit } = await putDeposit(store, client)
    await cluster.stop()
    await expectUnavailable()
    await cluster.start()
    await putDeposit(store, client)
    expect(await store.findDeposit(deposit)).toEqual(deposit)
  }, 30_000)

  it('was killed with -9 keeps what it acknowledged', async () => {
    const acknowledged = await Promise.all(
      Array.from({ length: 20 }, async () => (await putDeposit(store, client)).deposit),
    )
    process.kill(cluster.pid(), 'SIGKILL')
    await expect
      .poll(() => store.probe(), { timeout: 5_000 })
      .toMatchObject({ state: 'unavailable' })
    await cluster.start()
    for (const deposit of acknowledged) expect(await store.findDeposit(deposit)).toEqual(deposit)
  }, 30_000)

  it('hangs answers in bounded time, and works again when it wakes', async () => {
    const pid = cluster.pid()
    await store.findClient({ uuid: client.uuid })
    const children = execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' }).trim()
    const all = [pid, ...children.split('\n').map(Number)]
    for (const each of all) process.kill(each, 'SIGSTOP')
    try {
      const started = performance.now()
      await expect(store.findClient({ uuid: client.uuid })).rejects.toMatchObject(unavailable)
      await expect(putDeposit(store, client)).rejects.toMatchObject(unavailable)
      expect(performance.now() - started).toBeLessThan(6_000)
    } finally {
      for (const each of all) process.kill(each, 'SIGCONT')
    }
    await expect.poll(() => store.probe(), { timeout: 5_000 }).toMatchObject({ state: 'ready' })
    await putDeposit(store, client)
  }, 30_000)
})
