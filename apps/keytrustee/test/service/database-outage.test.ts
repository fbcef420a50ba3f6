/** A real private cluster stopped and started under a running server. */
import { setTimeout as pause } from 'node:timers/promises'
import type { DomainError } from '@keyhsm/core'
import { statusRoute } from '@keyhsm/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPostgresStore } from '../../src/store/postgres/postgres-store.js'
import { makePrivateCluster, type PrivateCluster } from '../support/private-cluster.js'
import { addTestOrganisation, enrolTestClient, startTestServer } from '../support/running-server.js'

let cluster: PrivateCluster
beforeAll(async () => {
  cluster = await makePrivateCluster()
}, 120_000)
afterAll(() => cluster.remove(), 60_000)

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error: unknown) => (error as DomainError).code,
  )

/** Repeats until it succeeds, at most 20 s. */
async function eventually<Result>(work: () => Promise<Result>): Promise<Result> {
  const deadline = Date.now() + 20_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (Date.now() > deadline) throw error
      await pause(200)
    }
  }
}

test('database down: 503, a clear health line, nothing acknowledged; back by itself', {
  timeout: 120_000,
}, async () => {
  const store = await openPostgresStore({
    address: cluster.service,
    cluster: 'private',
    timeouts: { lockMs: 1_000, statementMs: 2_000, answerMs: 3_000 },
  })
  const at = await startTestServer({ store, settings: ['keytrustee.sealing=pass-through'] })
  const { auth } = await addTestOrganisation(at)
  const { client } = await enrolTestClient(at, { organisation: 'PROD', auth })
  await client.put({ handle: 'before', content: Buffer.from('kept') })

  await cluster.stop()
  expect(await codeOf(client.get('before'))).toBe('ERR_STORE_UNAVAILABLE')
  expect(await codeOf(client.put({ handle: 'during', content: Buffer.from('x') }))).toBe(
    'ERR_STORE_UNAVAILABLE',
  )
  const sick = await at.admin(statusRoute)
  expect(sick).toMatchObject({
    healthy: false,
    parts: { database: { healthy: false }, audit: { healthy: true } },
  })
  expect(sick.parts.database.detail).not.toMatch(/select|password|\/tmp/i)
  expect(sick.deposits).toBeUndefined()

  await cluster.start()
  const got = await eventually(() => client.get('before'))
  expect(got.content.toString()).toBe('kept')
  expect(await codeOf(client.get('during'))).toBe('ERR_NOT_FOUND')
  expect((await client.put({ handle: 'during', content: Buffer.from('x') })).revision).toBe(1)
  expect(await at.admin(statusRoute)).toMatchObject({ healthy: true, pendingPuts: 0 })
  await at.server.stop(1_000)
  await store.close()
})
