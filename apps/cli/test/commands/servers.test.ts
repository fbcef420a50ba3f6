import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { makeTestClient, type TestClient } from '../run.js'
import { TestTrustee } from '../trustee.js'

let trustee: TestTrustee
let other: TestTrustee
let client: TestClient
beforeEach(async () => {
  trustee = await new TestTrustee().start()
  other = await new TestTrustee().start()
  client = makeTestClient()
  const auth = join(client.home, 'auth')
  writeFileSync(auth, trustee.auth)
  const register = ['register', '--server', trustee.url, '--org', 'org', '--clientname', 'c1']
  const proof = ['--server-fingerprint', trustee.fingerprint, '--auth-file', auth]
  await client.run([...register, ...proof])
})
afterEach(async () => {
  await trustee.stop()
  await other.stop()
  client.drop()
})

const kept = () => readFileSync(join(client.folder, 'client.json'), 'utf8')

it('shows the servers, and replaces them once each knows this client', async () => {
  const shown = await client.run(['servers'])
  expect(String(shown.out)).toContain(trustee.url)
  // The same server under another name: of one installation, with one certificate.
  const second = trustee.url.replace('127.0.0.1', 'localhost')
  const both = `${second},${trustee.url}`
  const { fingerprint } = trustee
  const changed = await client.run([
    'servers',
    '--server',
    both,
    '--server-fingerprint',
    fingerprint,
  ])
  expect([changed.status, String(changed.out)]).toEqual([0, expect.stringContaining(second)])
  expect((await client.run(['status'])).status).toBe(0)
  const pem = join(client.home, 'ca.pem')
  writeFileSync(pem, (JSON.parse(kept()) as { serverCertificates: string }).serverCertificates)
  const again = ['servers', '--server', trustee.url, '--cacert', pem]
  expect((await client.run(again)).status).toBe(0)
})

it('a server of another installation, or one that is not recognised, changes nothing', async () => {
  const before = kept()
  const both = `${trustee.url},${other.url}`
  const refused = await client.run(['servers', '--server', both, '--yes'])
  expect(refused.status).not.toBe(0)
  const wrong = ['servers', '--server', both, '--server-fingerprint', trustee.fingerprint]
  expect(await client.run(wrong)).toMatchObject({ status: 2 })
  expect(kept()).toBe(before)
})
