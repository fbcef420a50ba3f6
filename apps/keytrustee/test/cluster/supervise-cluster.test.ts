import { fileURLToPath } from 'node:url'
import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makePrivateCluster, type PrivateCluster, valueOf } from '../support/private-cluster.js'
import { callCluster, clusterUser } from '../support/unprivileged.js'

describe('superviseCluster', () => {
  let cluster: PrivateCluster
  let supervisor: ReturnType<typeof spawn>
  const events: string[] = []

  beforeAll(async () => {
    cluster = await makePrivateCluster()
    const script = fileURLToPath(new URL('../support/cluster-supervisor.mjs', import.meta.url))
    supervisor = spawn(process.execPath, [script, cluster.directory], {
      cwd: '/',
      env: { PATH: process.env['PATH'] },
      ...(clusterUser ? { uid: clusterUser.uid, gid: clusterUser.gid } : {}),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    supervisor.stdout?.on('data', (chunk: Buffer) => {
      events.push(...chunk.toString().trim().split('\n'))
    })
    await vi.waitFor(() => expect(events).toContain('watching'), { timeout: 5_000 })
  }, 60_000)
  afterAll(async () => {
    supervisor.kill('SIGKILL')
    await cluster.remove()
  }, 30_000)

  const status = async () =>
    valueOf(await callCluster('clusterStatus', { directory: cluster.directory }))

  it('starts a killed database again', async () => {
    const { pid } = await status()
    process.kill(cluster.pid(), 'SIGKILL')
    await expect.poll(status, { timeout: 10_000 }).toMatchObject({ state: 'running' })
    const after = await status()
    expect(after.pid).not.toBe(pid)
    await expect.poll(() => events, { timeout: 5_000 }).toContain(`restarted ${after.pid}`)
  }, 20_000)

  it('leaves one alone that an operator stopped, and outlives neither', async () => {
    await cluster.stop()
    const looks = () => events.filter((event) => event === 'looked').length
    const before = looks()
    await expect.poll(looks, { timeout: 5_000 }).toBeGreaterThan(before + 3)
    expect(await status()).toMatchObject({ state: 'stopped' })
    await cluster.start()
  }, 20_000)

  it('leaves the database running when the supervisor is killed', async () => {
    const { pid } = await status()
    supervisor.kill('SIGKILL')
    await new Promise((resolve) => supervisor.on('exit', resolve))
    expect(await status()).toMatchObject({ state: 'running', pid })
  })
})
