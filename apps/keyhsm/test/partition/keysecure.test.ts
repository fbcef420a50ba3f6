/** A KeySecure as a partition: K_auth, canary and audit key in the appliance, found again by another Key HSM. */
import { createPublicKey, verify } from 'node:crypto'
import { SecretBytes, systemClock } from '@keyhsm/core'
import { connectNae } from '@keyhsm/hsm-nae'
import { NaeTestServer, type NaeTestServerOptions } from '@keyhsm/hsm-nae/test-server'
import { expect, onTestFinished, test } from 'vitest'
import { makePartitionKeys } from '../../src/partition/make-partition-keys.js'
import { findPartitionKeys } from '../../src/partition/partition-keys.js'
import { Partition } from '../../src/partition/partition.js'
import { toAuditSigner } from '../../src/service/audit-signer.js'
import { keySettings } from '../soft-token.js'

const user = { name: 'keyhsm', password: 'marked-password', mayCreateKeys: true }
const options = { kind: 'rsa-2048', settleMs: 5 } as const

async function start(settings: Partial<NaeTestServerOptions> = {}) {
  const behaviour = { rsaPairs: 2, ...settings.behaviour }
  const server = await NaeTestServer.start({ users: [user], ...settings, behaviour })
  onTestFinished(() => server.close())
  return server
}

async function open(server: NaeTestServer, name = user.name) {
  const hsm = await connectNae({
    nodes: server.addresses,
    user: name,
    password: SecretBytes.own(Buffer.from(user.password)),
    timers: { secondLookMs: 10 },
  })
  onTestFinished(() => hsm.close())
  return hsm
}

test('another Key HSM finds the same domain and canary, and signs with the same audit key', async () => {
  const server = await start({ nodes: 2, replicationMs: 20 })
  const first = await makePartitionKeys(await open(server), options)
  expect(first.made.map((label) => label.split('-')[0])).toEqual(['auth', 'canary', 'audit'])
  expect(first.keys.auth.kind).toBe('hmac-sha256')
  expect([...server.store.view(0).values()].every(({ exportable }) => !exportable)).toBe(true)
  const hsm = await open(server)
  const again = await findPartitionKeys(hsm, await hsm.listKeys(), first.keys.domain)
  if ('missing' in again) throw new Error(again.missing)
  expect(again.canaryFingerprint).toBe(first.keys.canaryFingerprint)
  const partition = await Partition.connect(hsm, {
    keySettings,
    clock: systemClock,
    expectedDomain: first.keys.domain,
  })
  await partition.recheck()
  await partition.confirmVisible()
  const signer = toAuditSigner(partition)
  const message = Buffer.from('a checkpoint')
  const signature = await signer?.sign(message)
  const key = createPublicKey(signer?.publicKey ?? '')
  const form = { key, dsaEncoding: 'ieee-p1363' } as const
  expect(verify('sha256', message, form, signature ?? Buffer.alloc(0))).toBe(true)
  await partition.close()
})

test('an appliance without HMAC and EC keys: K_auth by AES-CMAC, checkpoints unsigned', async () => {
  const server = await start({ behaviour: { lacksKeys: ['EC', 'HMAC-SHA256'] } })
  const first = await makePartitionKeys(await open(server), options)
  expect(first.keys.auth.kind).toBe('cmac-aes-256')
  expect(first.keys.audit).toBeUndefined()
  const second = await makePartitionKeys(await open(server), {
    ...options,
    expectedDomain: first.keys.domain,
  })
  expect(second.made).toEqual([])
  expect(second.keys.domain).toBe(first.keys.domain)
})

test('another appliance, and another user’s view of this one, are a wrong partition', async () => {
  const server = await start({ users: [user, { ...user, name: 'other' }] })
  const { keys } = await makePartitionKeys(await open(server), options)
  const expectedDomain = keys.domain
  for (const hsm of [await open(await start()), await open(server, 'other')]) {
    await expect(makePartitionKeys(hsm, { ...options, expectedDomain })).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    expect(await hsm.listKeys()).toEqual([])
  }
})
