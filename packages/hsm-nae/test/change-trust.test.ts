/** Another certificate of the appliance, trusted while the driver is connected. */
import { X509Certificate } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { fingerprintOf } from '../src/connection/connect-socket.js'
import { makeCertificate, type NaeTestServer } from '../src/test-server/index.js'
import { openOn, startServer } from './support/open-hsm.js'

const [first, second] = [makeCertificate(), makeCertificate()]
const pinOf = ({ certificate }: typeof first) => fingerprintOf(new X509Certificate(certificate))

async function openPinned(): Promise<{
  server: NaeTestServer
  hsm: Awaited<ReturnType<typeof openOn>>
}> {
  const server = await startServer({ tls: first })
  const hsm = await openOn(server, { tls: { pinned: [pinOf(first)] } })
  return { server, hsm }
}

test('is refused with both fingerprints until it is trusted, then served at once', async () => {
  const { server, hsm } = await openPinned()
  await server.present(second)
  expect(await hsm.probe()).toMatchObject({
    state: 'unavailable',
    detail: expect.stringContaining(`${pinOf(second)}, trusted is ${pinOf(first)}`),
  })
  expect(hsm.changeTrust([pinOf(second)])).toBe(true)
  expect(await hsm.probe()).toMatchObject({ state: 'ready' })
  expect(hsm.changeTrust([pinOf(second)])).toBe(false)
})

test('connections made under another one are not used again', async () => {
  const { server, hsm } = await openPinned()
  const asked = () => server.countOf(0, 'RandGenRequest')
  const before = asked()
  server.stall()
  const underWay = hsm.probe()
  await vi.waitFor(() => expect(asked()).toBe(before + 1))
  expect(hsm.changeTrust([pinOf(second)])).toBe(true)
  server.resume()
  expect(await underWay).toMatchObject({ state: 'ready' })
  expect(await hsm.probe()).toMatchObject({ state: 'unavailable' })
  hsm.changeTrust([pinOf(second), pinOf(first)])
  expect(await hsm.probe()).toMatchObject({ state: 'ready' })
})

test('without TLS there is nothing to trust, and nothing after close', async () => {
  const plain = await openOn(await startServer())
  expect(plain.changeTrust([pinOf(first)])).toBe(false)
  const { hsm } = await openPinned()
  await hsm.close()
  expect(hsm.changeTrust([pinOf(second)])).toBe(false)
})
