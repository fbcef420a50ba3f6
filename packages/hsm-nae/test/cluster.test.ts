/** Several nodes: which is asked, what happens when one fails, what replication may and may not do. */
import { expect, test } from 'vitest'
import { toKeyName } from '../src/keys/key-names.js'
import { newSpec, openHsm, wrapSample } from './support/open-hsm.js'

test('a key is used at once although its node alone knows it, then on every node', async () => {
  const { server, hsm } = await openHsm(
    { nodes: 2, replicationMs: 60_000 },
    { timers: { affinityMs: 400 } },
  )
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const before = server.countOf(1, 'CryptoRequest')
  for (let round = 0; round < 6; round++) expect(await opens()).toBe(true)
  expect(server.countOf(1, 'CryptoRequest')).toBe(before)
  server.store.setEverywhere(toKeyName(key.id), server.find(toKeyName(key.id)))
  await new Promise((resolve) => setTimeout(resolve, 450))
  for (let round = 0; round < 6; round++) expect(await opens()).toBe(true)
  expect(server.countOf(1, 'CryptoRequest')).toBe(before + 3)
})

test('another process finds a key that only one node knows yet', async () => {
  const { hsm, open } = await openHsm({ nodes: 3, replicationMs: 60_000 })
  const other = await open()
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  for (let round = 0; round < 6; round++) expect(await opens(other)).toBe(true)
  expect((await other.findKey(key.id))?.label).toBe(key.label)
})

test('writes go to the first node that can be reached; reads go on; the first is taken again when it is back', async () => {
  const { server, hsm, logged } = await openHsm({ nodes: 2 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  await server.down(0)
  const during = await hsm.createKey(newSpec())
  expect(server.countOf(1, 'KeyGenRequest')).toBeGreaterThan(0)
  expect(await (await wrapSample(hsm, during)).opens()).toBe(true)
  expect(logged.some((line) => line.startsWith('HSM node cannot be asked'))).toBe(true)
  const health = await hsm.probe()
  expect(health.state).toBe('ready')
  expect(health.detail).toContain(`127.0.0.1:${server.addresses[0]?.port}`)
  await server.up(0)
  const written = server.countOf(0, 'KeyGenRequest')
  await expect
    .poll(
      async () => {
        await hsm.createKey(newSpec())
        return server.countOf(0, 'KeyGenRequest') > written
      },
      { timeout: 5000 },
    )
    .toBe(true)
  expect(logged).toContain('HSM node answers again')
  await expect.poll(opens, { timeout: 5000 }).toBe(true)
})

test('a key that was just written is unavailable, not gone, while its node is down', async () => {
  const { server, hsm } = await openHsm({ nodes: 2, replicationMs: 60_000 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  await server.down(0)
  await expect(opens()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
  await expect(hsm.findKey(key.id)).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
  await server.up(0)
  await expect.poll(opens, { timeout: 5000 }).toBe(true)
})

test('a key that was just made is used on another node that knows it already, while its own is down', async () => {
  const { server, hsm } = await openHsm({ nodes: 2 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  await server.down(0)
  expect(await opens()).toBe(true)
  expect((await hsm.findKey(key.id))?.label).toBe(key.label)
})

test('a key that was just destroyed is not used on another node while its own is down', async () => {
  const { server, hsm } = await openHsm({ nodes: 2 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.store.replicationMs = 60_000
  await hsm.destroyKey(key.id)
  await server.down(0)
  await expect(opens()).rejects.toMatchObject({ code: 'ERR_HSM_UNAVAILABLE' })
})

test('a key that was just destroyed stays destroyed although another node still shows it', async () => {
  const { server, hsm } = await openHsm({ nodes: 2 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  server.store.replicationMs = 60_000
  expect(await hsm.destroyKey(key.id)).toBe('destroyed')
  expect(server.store.view(1).has(toKeyName(key.id))).toBe(true)
  for (let round = 0; round < 4; round++) {
    await expect(opens()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  }
})

test('no more connections than allowed are opened, and all callers are served', async () => {
  const { server, hsm } = await openHsm({ behaviour: { latencyMs: 5 } }, { connections: 2 })
  const key = await hsm.createKey(newSpec())
  const { opens } = await wrapSample(hsm, key)
  const logins = server.loginAttempts
  expect(await Promise.all(Array.from({ length: 20 }, () => opens()))).not.toContain(false)
  expect(server.loginAttempts - logins).toBeLessThanOrEqual(1)
  expect((await hsm.probe()).sessions).toBeLessThanOrEqual(2)
})

test('idle connections are closed', async () => {
  const { hsm } = await openHsm({}, { timers: { idleMs: 30 } })
  expect((await hsm.probe()).sessions).toBeGreaterThan(0)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect((await hsm.probe()).sessions).toBe(1)
})
