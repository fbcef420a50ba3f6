import { X509Certificate } from 'node:crypto'
import { connectTrustee, readLocalClient, renewWhenDue } from '@keyhsm/client'
import { DomainError } from '@keyhsm/core'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { makeTestClient, type TestClient } from '../run.js'
import { TestTrustee } from '../trustee.js'

let trustee: TestTrustee
let client: TestClient

beforeAll(async () => {
  trustee = await new TestTrustee().start()
  client = makeTestClient()
  const args = [
    '--server',
    trustee.url,
    '--org',
    'org',
    '--server-fingerprint',
    trustee.fingerprint,
  ]
  const env = { KEYTRUSTEE_AUTH: trustee.auth }
  expect((await client.run(['register', ...args], { env })).status).toBe(0)
})
afterAll(async () => {
  client.drop()
  await trustee.stop()
})

const hours = (count: number) => new Date(Date.now() + count * 3600_000)
/** A program that has just begun: its clock, its certificate, and how many were issued so far. */
async function connectNow() {
  const clock = { now: () => hours(0) }
  const connected = await connectTrustee(client.folder, { clock })
  onTestFinished(() => connected.close())
  return {
    clock,
    connected,
    before: connected.local.certificate,
    enrolled: trustee.enrolments.length,
  }
}
const serialOf = (pem: string) => new X509Certificate(pem).serialNumber

test('a certificate is renewed for the same key in its last third, without the auth secret', async () => {
  const before = await readLocalClient(client.folder)
  expect(await renewWhenDue(client.folder, before, hours(10))).toBe(before)
  const after = await renewWhenDue(client.folder, before, hours(20))
  expect(serialOf(after.certificate)).not.toBe(serialOf(before.certificate))
  expect(after.keys.tlsKey).toBe(before.keys.tlsKey)
  expect(trustee.enrolments).toHaveLength(2)
  expect(trustee.enrolments[1]?.auth).toBeUndefined()
  expect(serialOf((await readLocalClient(client.folder)).certificate)).toBe(
    serialOf(after.certificate),
  )
})

test('a server that does not answer leaves the old one in use', async () => {
  const before = await readLocalClient(client.folder)
  const gone = { ...before, settings: { ...before.settings, server: 'https://127.0.0.1:1' } }
  expect(await renewWhenDue(client.folder, gone, hours(20))).toBe(gone)
})

test('a program that runs on renews between its requests, once, and goes on over the new certificate', async () => {
  const { clock, connected, before, enrolled } = await connectNow()
  await connected.put('kept', Buffer.from('content'))
  expect(connected.local.certificate).toBe(before)
  clock.now = () => hours(20)
  const contents = await Promise.all(Array.from({ length: 4 }, () => connected.get('kept')))
  expect(contents.map(String)).toEqual(Array(4).fill('content'))
  await vi.waitFor(() => expect(connected.local.certificate).not.toBe(before))
  expect(trustee.enrolments).toHaveLength(enrolled + 1)
  expect(serialOf(connected.local.certificate)).not.toBe(serialOf(before))
  expect(serialOf((await readLocalClient(client.folder)).certificate)).toBe(
    serialOf(connected.local.certificate),
  )
  await connected.get('kept')
  expect(trustee.enrolments).toHaveLength(enrolled + 1)
})

test('a program that cannot renew goes on with what it has, and tries again a minute later', async () => {
  const { clock, connected, before, enrolled } = await connectNow()
  clock.now = () => hours(20)
  trustee.races.set('enrol', () => {
    throw new DomainError('ERR_NOT_ALLOWED', 'not now')
  })
  const asked = () => trustee.asked.filter((operation) => operation === 'enrol').length
  const first = asked()
  expect(String(await connected.get('kept'))).toBe('content')
  await vi.waitFor(() => expect(asked()).toBe(first + 1))
  await connected.get('kept')
  expect([asked(), connected.local.certificate]).toEqual([first + 1, before])
  trustee.races.delete('enrol')
  clock.now = () => new Date(hours(20).getTime() + 120_000)
  await connected.get('kept')
  await vi.waitFor(() => expect(connected.local.certificate).not.toBe(before))
  expect(trustee.enrolments).toHaveLength(enrolled + 1)
})

test('a program whose certificate has ended waits for the next one, once', async () => {
  const { clock, connected, before, enrolled } = await connectNow()
  clock.now = () => hours(25)
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      await connected.get('kept')
      expect(connected.local.certificate).not.toBe(before)
    }),
  )
  expect(trustee.enrolments).toHaveLength(enrolled + 1)
})
