import { X509Certificate } from 'node:crypto'
import { SecretBytes } from '@keyhsm/core'
import { expect, test } from 'vitest'
import { probeAppliance } from '../../src/check/probe-appliance.js'
import { redactMessage } from '../../src/check/redact-message.js'
import { fingerprintOf } from '../../src/connection/connect-socket.js'
import { defaultDialect } from '../../src/dialect/dialect.js'
import { makeCertificate, type NaeTestServerOptions } from '../../src/test-server/index.js'
import { branch, leaf } from '../../src/xml/element.js'
import { newSpec, openOn, startServer } from '../support/open-hsm.js'
import { testTimers, testUser } from '../support/under-test.js'

async function probe(
  server: Awaited<ReturnType<typeof startServer>>,
  password = testUser.password,
) {
  const [node = { host: '', port: 0 }] = server.addresses
  return await probeAppliance({
    node,
    user: testUser.name,
    password: SecretBytes.own(Buffer.from(password)),
    timers: testTimers,
  })
}

test('a session shows how the appliance speaks, and neither password, user, host nor key', async () => {
  const server = await startServer()
  const hsm = await openOn(server)
  const key = await hsm.createKey(newSpec())
  const report = await probe(server)
  expect(report.faults).toEqual([])
  expect(report.failures).toEqual([])
  expect(report.capabilities?.kinds).toHaveLength(6)
  expect([...server.store.view(0).keys()]).toEqual([`keyhsm-${key.id}`])
  const text = report.session.join('\n')
  for (const part of [
    '-- open-session',
    '→ <AuthRequest><ID>[1 characters]</ID><Username>[6 characters]</Username><Passwd>[password]</Passwd></AuthRequest>',
    '<Algorithm>RSA/None/PKCS1OAEPPaddingSHA256</Algorithm>',
    '+ 256 bytes of data',
    '<ErrorString>1103: The session is not authenticated</ErrorString>',
    '← <KeyInfoResponse>',
    '← <PublicKeyExportResponse>',
    '<Owner>[6 characters]</Owner>',
  ]) {
    expect(text).toContain(part)
  }
  for (const secret of [
    testUser.password,
    'marked',
    '&amp;',
    key.id,
    key.label,
    '127.0.0.1',
    'BEGIN',
  ]) {
    expect(text).not.toContain(secret)
  }
})

test('a refused login ends the session, after one try', async () => {
  const server = await startServer()
  const report = await probe(server, 'MARKED-wrong')
  expect(report.faults.map(({ code }) => code)).toEqual(['login-refused'])
  expect(report.capabilities).toBeUndefined()
  expect(server.loginAttempts).toBe(1)
  expect(JSON.stringify(report)).not.toContain('MARKED')
})

test('what a release lacks is told, over TLS', async () => {
  const identity = makeCertificate()
  const options: Partial<NaeTestServerOptions> = {
    tls: identity,
    behaviour: { lacksAlgorithms: ['AES/GCM/NoPadding'] },
  }
  const server = await startServer(options)
  const [node = { host: '', port: 0 }] = server.addresses
  const report = await probeAppliance({
    node,
    tls: { pinned: [fingerprintOf(new X509Certificate(identity.certificate))] },
    user: testUser.name,
    password: SecretBytes.own(Buffer.from(testUser.password)),
    timers: testTimers,
  })
  expect(report.capabilities?.wrapAlgorithms).not.toHaveProperty('aes-256')
  expect(report.session.join('\n')).toContain('Unsupported algorithm')
})

test('unknown elements are shown by name, long rows are cut, private words are replaced', () => {
  const redaction = { dialect: defaultDialect, private: ['alice', ''] }
  const show = (element: ReturnType<typeof leaf>) =>
    redactMessage({ element, data: undefined }, redaction)
  expect(show(leaf('ErrorString', 'user alice may not'))).toBe(
    '<ErrorString>user [private] may not</ErrorString>',
  )
  expect(show(leaf('Surprise', 'alice'))).toBe('<Surprise>[5 characters]</Surprise>')
  expect(show(leaf('Passwd', 'x'))).toBe('<Passwd>[password]</Passwd>')
  const names = Array.from({ length: 9 }, (_, at) => leaf('KeyName', `key-${at}`))
  expect(show(branch('KeyNames', names))).toMatch(
    /^<KeyNames>(<KeyName>[^<]*<\/KeyName>){3}\[6 more\]/,
  )
})
