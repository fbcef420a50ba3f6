import { SecretBytes } from '@keyhsm/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type ApplianceReport,
  type CheckApplianceOptions,
  checkAppliance,
} from '../../src/check/check-appliance.js'
import { checkAddress, fetchApplianceCertificate } from '../../src/check/server-certificate.js'
import { fingerprintOf } from '../../src/connection/connect-socket.js'
import {
  type ApplianceSettings,
  type Behaviour,
  makeCertificate,
  NaeTestServer,
  type NaeTestServerOptions,
  type ServerIdentity,
} from '../../src/test-server/index.js'
import { X509Certificate } from 'node:crypto'

const user = { name: 'keyhsm', password: 'MARKED-password & <markup>', mayCreateKeys: true }
const timers = { connectMs: 2000, readMs: 1000, keyGenMs: 5000 }
const running: NaeTestServer[] = []
let identity: ServerIdentity

beforeAll(() => {
  identity = makeCertificate()
})

afterAll(async () => {
  for (const server of running) await server.close()
})

async function start(options: Partial<NaeTestServerOptions> = {}): Promise<NaeTestServer> {
  const server = await NaeTestServer.start({ users: [user], ...options })
  running.push(server)
  return server
}

function pin() {
  return { pinned: [fingerprintOf(new X509Certificate(identity.certificate))] }
}

async function check(
  server: NaeTestServer,
  options: Partial<Omit<CheckApplianceOptions, 'password'>> & { password?: string } = {},
): Promise<ApplianceReport> {
  const [node = { host: '', port: 0 }] = server.addresses
  const { password = user.password, ...rest } = options
  const report = await checkAppliance({
    node,
    user: user.name,
    timers,
    ...rest,
    password: SecretBytes.own(Buffer.from(password)),
  })
  expect(JSON.stringify(report)).not.toContain('MARKED')
  return report
}

const codes = ({ faults }: ApplianceReport) => faults.map(({ code }) => code)

test('a well set appliance has no fault, over TCP and over TLS, and keeps no key', async () => {
  const plain = await start()
  const report = await check(plain)
  expect(report).toEqual({
    faults: [],
    version: '7.0',
    device: 'Model k460, BoxID TEST-SERVER, SoftwareVersion 8.12.0',
  })
  expect(plain.store.view(0).size).toBe(0)
  const secured = await start({ tls: identity })
  expect(codes(await check(secured, { tls: pin() }))).toEqual([])
  expect(secured.loginAttempts).toBe(1)
})

const wrongSettings: readonly {
  settings: Partial<ApplianceSettings>
  tls?: boolean
  faults: readonly string[]
}[] = [
  { settings: { protocol: 'kmip' }, faults: ['not-nae-xml'] },
  { settings: { protocol: 'kmip' }, tls: true, faults: ['not-nae-xml'] },
  { settings: { protocol: 'http' }, faults: ['not-nae-xml'] },
  { settings: { keyOperations: false }, faults: ['key-operations-off'] },
  { settings: { passwordAuthentication: 'optional' }, faults: ['password-not-required'] },
  { settings: { passwordAuthentication: 'not-used' }, faults: ['password-not-used'] },
  {
    settings: { clientCertificate: 'required' },
    tls: true,
    faults: ['client-certificate-required'],
  },
  { settings: { cryptoOperations: false }, faults: ['crypto-operations-off'] },
]

for (const errors of ['texts', 'numbers'] as const) {
  for (const { settings, tls = false, faults } of wrongSettings) {
    const name = `${JSON.stringify(settings)}${tls ? ' over TLS' : ''}, answers in ${errors}`
    test(`a wrong setting is recognised and named: ${name}`, async () => {
      const behaviour: Partial<Behaviour> = { errors }
      const server = await start({ settings, behaviour, ...(tls ? { tls: identity } : {}) })
      const report = await check(server, tls ? { tls: pin() } : {})
      expect(codes(report)).toEqual(faults)
      expect(report.faults[0]?.remedy).not.toBe('')
      expect(server.store.view(0).size).toBe(0)
    })
  }
}

test('a client certificate is asked for in TLS 1.2 too', async () => {
  const settings = { clientCertificate: 'required' } as const
  const server = await start({ tls: { ...identity, maxVersion: 'TLSv1.2' }, settings })
  expect(codes(await check(server, { tls: pin() }))).toEqual(['client-certificate-required'])
})

test('a wrong password is tried once, and named', async () => {
  const server = await start()
  const report = await check(server, { password: 'MARKED-wrong' })
  expect(codes(report)).toEqual(['login-refused'])
  expect(server.loginAttempts).toBe(1)
})

test('a user who may not create keys is named', async () => {
  const server = await start({ users: [{ ...user, mayCreateKeys: false }] })
  expect(codes(await check(server))).toEqual(['user-may-not-create-keys'])
})

test('an appliance without a common version is named', async () => {
  const server = await start({ behaviour: { versions: ['1.1'] } })
  expect(codes(await check(server))).toEqual(['version-not-supported'])
})

test('TLS on one side only is told apart', async () => {
  const plain = await start()
  expect(codes(await check(plain, { tls: pin() }))).toEqual(['not-tls'])
  const secured = await start({ tls: identity })
  expect(codes(await check(secured))).toEqual(['tls-only'])
})

test('another certificate stops before anything is sent, with both fingerprints', async () => {
  const server = await start({ tls: identity })
  const trusted = 'ab'.repeat(32) as never
  const report = await check(server, { tls: { pinned: [trusted] } })
  expect(codes(report)).toEqual(['certificate-changed'])
  expect(report.faults[0]?.detail).toContain(trusted)
  expect(report.faults[0]?.detail).toContain(pin().pinned[0])
  expect(server.loginAttempts).toBe(0)
})

test('without a pin the usual checks hold', async () => {
  const server = await start({ tls: identity })
  expect(codes(await check(server, { tls: {} }))).toEqual(['certificate-untrusted'])
})

test('addresses: good, nobody there, unknown, silent', async () => {
  const server = await start()
  const [node = { host: '', port: 0 }] = server.addresses
  expect(await checkAddress(node)).toBeUndefined()
  await server.down(0)
  expect((await checkAddress(node))?.code).toBe('refused')
  expect((await checkAddress({ host: 'no-such-host.invalid', port: 1 }))?.code).toBe('unknown-host')
  await server.up(0)
  server.stall()
  expect(codes(await check(server, { timers: { ...timers, readMs: 50 } }))).toEqual(['no-answer'])
})

test('the certificate is shown with what speaks against it', async () => {
  const server = await start({ tls: identity })
  const [node = { host: '', port: 0 }] = server.addresses
  const shown = await fetchApplianceCertificate(node, new Date())
  if ('code' in shown) throw new Error(shown.code)
  expect(shown.fingerprint).toBe(pin().pinned[0])
  expect(shown.certificate.subject).toContain('CN=172.19.1.135')
  expect(shown.warnings.map(({ code }) => code)).toEqual(['expired', 'self-signed', 'other-name'])
  const before = await fetchApplianceCertificate(node, new Date('2014-12-31'))
  if ('code' in before) throw new Error(before.code)
  expect(before.warnings[0]?.code).toBe('not-yet-valid')
  const plain = await start()
  const [other = node] = plain.addresses
  expect(await fetchApplianceCertificate(other, new Date())).toMatchObject({ code: 'not-tls' })
})
