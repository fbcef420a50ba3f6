import { X509Certificate } from 'node:crypto'
import { readLocalClient, renewWhenDue } from '@keyhsm/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
