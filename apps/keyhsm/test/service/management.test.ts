import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { Transport } from '@keyhsm/client'
import { keyHsmStatusRoute, stopKeyHsmRoute } from '@keyhsm/protocol'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { withService } from '../../src/commands/with-service.js'
import { readLocalAdministrator } from '../../src/local-administrator.js'
import { findManagementDoor } from '../../src/service/management.js'
import { makeHome, startService, type TestHome } from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

/** A port that something else holds until `free` is called. */
async function takePort() {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const free = () => new Promise((resolve) => server.close(resolve))
  onTestFinished(() => void free())
  return { port, free }
}

async function makeHomeWithPort() {
  const { port, free } = await takePort()
  await free()
  return { port, home: await makeHome({ 'keyhsm.management.port': String(port) }) }
}

function readStatus({ paths }: TestHome) {
  return withService(paths, (service) => service.call(keyHsmStatusRoute, {}))
}

describe('the management listener', () => {
  it('answers signed requests on its port of 127.0.0.1 and has no socket beside it', async () => {
    const { port, home } = await makeHomeWithPort()
    const service = await startService(home)
    expect(await readStatus(home)).toMatchObject({
      management: `127.0.0.1:${port}`,
      sessions: 1,
      breaker: 'closed',
      log: { file: home.paths.logFile, level: 'info', debug: false, healthy: true },
    })
    expect(existsSync(home.paths.socket)).toBe(false)
    await service.stop(100)
    expect(await findManagementDoor(home.paths)).toEqual({ socketPath: home.paths.socket })
  })

  it('answers nobody without the signature of an administrator', async () => {
    const { port, home } = await makeHomeWithPort()
    await startService(home)
    const stranger = new Transport({ loopbackPort: port })
    onTestFinished(() => stranger.close())
    await expect(stranger.call(keyHsmStatusRoute, {})).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
    const other = await makeHome()
    const signer = await readLocalAdministrator(other.paths.admin)
    const otherAdministrator = new Transport({ loopbackPort: port, signer })
    onTestFinished(() => otherAdministrator.close())
    await expect(otherAdministrator.call(keyHsmStatusRoute, {})).rejects.toMatchObject({
      code: 'ERR_NOT_AUTHENTICATED',
    })
  })

  it('is a socket where the port is 0', async () => {
    const home = await makeHome()
    await startService(home)
    expect(await readStatus(home)).toMatchObject({ management: home.paths.socket })
  })

  it('does not start where another program has the port, and says which', async () => {
    const { port } = await takePort()
    const home = await makeHome({ 'keyhsm.management.port': String(port) })
    await expect(startService(home)).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: `cannot listen on 127.0.0.1:${port}: another program listens there`,
      hints: [expect.stringContaining('keyhsm.management.port')],
    })
  })

  it('passes on the order to stop with its limit, after it was answered', async () => {
    const home = await makeHome()
    const orders: number[] = []
    await startService(home, { requestStop: (drainMs) => orders.push(drainMs) })
    const reply = await withService(home.paths, (service) =>
      service.call(stopKeyHsmRoute, { body: { drainMs: 1234 } }),
    )
    expect(reply).toEqual({ pid: process.pid, inFlight: 0 })
    expect(orders).toEqual([1234])
  })
})
