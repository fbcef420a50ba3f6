/** A KeySecure that shows another certificate while the service runs: setup trusts it, and a reload is enough. */
import { X509Certificate } from 'node:crypto'
import { reloadRoute } from '@keyhsm/protocol'
import { makeCertificate, NaeTestServer } from '@keyhsm/hsm-nae/test-server'
import { certificateFingerprint } from '@keyhsm/service'
import { expect, it, onTestFinished, vi } from 'vitest'
import { withService } from '../../src/commands/with-service.js'
import { setUp } from '../../src/setup/set-up.js'
import { makeRoot, setUpOptions, startService } from '../home.js'

vi.setConfig({ testTimeout: 30_000 })

const password = 'marked-nae-2'

it('another certificate of the appliance is taken over by a reload', async () => {
  const [before, after] = [makeCertificate(), makeCertificate()]
  const pinOf = ({ certificate }: typeof before) =>
    certificateFingerprint(new X509Certificate(certificate))
  const server = await NaeTestServer.start({
    users: [{ name: 'keyhsm', password, mayCreateKeys: true }],
    tls: before,
  })
  onTestFinished(() => server.close())
  const home = await makeRoot()
  const { 'soft-token.directory': _, ...ports } = setUpOptions(home).changes
  const changes = {
    ...ports,
    'keyhsm.key.kind': 'rsa-2048',
    'keysecure.address': '127.0.0.1',
    'keysecure.port': String(server.addresses[0]?.port),
    'keysecure.username': 'keyhsm',
    'keysecure.certificate': pinOf(before),
  }
  const options = { ...setUpOptions(home, { hardware: 'keysecure', pin: password }), changes }
  await setUp(options)
  const service = await startService(home)
  const state = async () => (await service.partitions().named().hsm.probe()).state
  expect(await state()).toBe('ready')
  await server.present(after)
  expect(await state()).toBe('unavailable')
  const trusted = { 'keysecure.certificate': pinOf(after) }
  await setUp({ ...options, changes: trusted, pin: undefined })
  const reload = () => withService(home.paths, (admin) => admin.call(reloadRoute, {}))
  expect(await reload()).toEqual({
    applied: ['another trusted certificate of the HSM'],
    needsRestart: [],
  })
  expect(await state()).toBe('ready')
  expect(await reload()).toEqual({ applied: [], needsRestart: [] })
})
