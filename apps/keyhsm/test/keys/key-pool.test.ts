/** Keys made ahead, on a real SoftHSM: claimed once, by their maker alone, and never lost out of sight. */
import {
  type Clock,
  type HsmKeyId,
  parseHandle,
  parseRealm,
  SecretBytes,
  systemClock,
} from '@keyhsm/core'
import type { Hsm, HsmKey } from '@keyhsm/hsm'
import { connectPkcs11, type Pkcs11Hsm } from '@keyhsm/hsm-pkcs11'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { formatDepositLabel, parseLabel } from '../../src/keys/labels.js'
import { proveKey } from '../../src/keys/prove-key.js'
import { listAllKeys, listRealmKeys } from '../../src/operations/list-keys.js'
import { makePartitionKeys } from '../../src/partition/make-partition-keys.js'
import { type KeySettings, Partition } from '../../src/partition/partition.js'
import { keySettings, makePartition } from '../soft-token.js'
import {
  hasSoftHsm,
  makeSoftHsm,
  pkcs11Tool,
  softHsmLibrary,
  softHsmPin,
  type TestSoftHsm,
} from '../softhsm.js'

vi.setConfig({ testTimeout: 60_000 })

const realm = parseRealm('prod')
const labelFor = (handle: string) => formatDepositLabel(parseHandle(handle), new Date())

async function connect(token: TestSoftHsm): Promise<Pkcs11Hsm> {
  const hsm = await connectPkcs11({
    profile: 'softhsm',
    library: softHsmLibrary,
    token: { label: token.label },
    pin: SecretBytes.own(Buffer.from(softHsmPin)),
    env: { SOFTHSM2_CONF: token.config },
  })
  onTestFinished(() => hsm.close())
  return hsm
}

interface Options {
  readonly settings?: Partial<KeySettings>
  readonly clock?: Clock
}

async function makeReady(options: Options = {}) {
  const token = await makeSoftHsm()
  const hsm = await connect(token)
  const made = await makePartitionKeys(hsm, { kind: 'ec-p256', settleMs: 0 })
  made.keys.kAuth.wipe()
  return { token, hsm, partition: await open(hsm, options) }
}

async function open(hsm: Hsm, { settings, clock = systemClock }: Options = {}): Promise<Partition> {
  const wanted = { ...keySettings, pool: 3, ...settings }
  return await Partition.connect(hsm, { keySettings: wanted, clock })
}

/** As many spares as the settings say, made because one was asked for. */
async function filled(partition: Partition, ready = 3): Promise<void> {
  expect(await partition.pool.take(realm, labelFor('first'))).toBeUndefined()
  await vi.waitFor(() => expect(partition.pool.state().ready).toBe(ready), { timeout: 10_000 })
}

function idsOf(keys: readonly { id: HsmKeyId }[]): string[] {
  return keys.map(({ id }) => id).sort()
}

async function spares(partition: Partition) {
  const { keys } = await listAllKeys(partition, [realm])
  return keys.filter(({ purpose }) => purpose === 'pool')
}

describe.skipIf(!hasSoftHsm)('keys made ahead (needs SoftHSM)', () => {
  it('are not made in the pauses between requests, which would wait for it', async () => {
    const { partition } = await makeReady()
    expect(await partition.pool.take(realm, labelFor('first'))).toBeUndefined()
    const { activity } = partition
    for (let request = 0; request < 8; request += 1) {
      await activity.during(() => Promise.resolve())
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    // The first one began before any request had come.
    expect(partition.pool.state().ready).toBeLessThanOrEqual(1)
    await vi.waitFor(() => expect(partition.pool.state().ready).toBe(3), { timeout: 10_000 })
  })

  it('are made after the first asking, and get the deposit’s label before they are used', async () => {
    const { token, hsm, partition } = await makeReady()
    await filled(partition)
    expect((await spares(partition)).map(({ label }) => parseLabel(label)?.form)).toEqual(
      Array.from({ length: 3 }, () => 'pool'),
    )
    const key = await partition.pool.take(realm, labelFor('orders'))
    if (!key) throw new Error('none was ready')
    expect(pkcs11Tool(token, '--list-objects')).toContain(key.label)
    expect(key.label).toMatch(/^orders-/)
    expect(partition.keys.keyIds.belongs(key.id, { purpose: 'deposit', realm })).toBe(true)
    await proveKey(hsm, key)
    await vi.waitFor(() => expect(partition.pool.state().ready).toBe(3), { timeout: 10_000 })
  })

  it('are claimed once each, however many ask at once; the rest make their own', async () => {
    const { partition } = await makeReady()
    await filled(partition)
    const asked = Array.from({ length: 10 }, (_, at) =>
      partition.pool.take(realm, labelFor(`h${at}`)),
    )
    const taken = (await Promise.all(asked)).filter((key): key is HsmKey => key !== undefined)
    expect(taken.length).toBeGreaterThanOrEqual(3)
    expect(new Set(idsOf(taken)).size).toBe(taken.length)
  })

  it('are no orphans to their realm, which sees a key once it is claimed', async () => {
    const { partition } = await makeReady()
    await filled(partition)
    expect((await listRealmKeys(partition, realm)).keys).toEqual([])
    const key = await partition.pool.take(realm, labelFor('orders'))
    const [seen] = (await listRealmKeys(partition, realm)).keys
    expect(seen).toMatchObject({ id: key?.id, purpose: 'deposit' })
    // Its date is that of the claim: what prunes orphans lets it be for as long as any new key.
    expect(seen?.createdOn).toBe(new Date().toISOString().slice(0, 10))
  })

  it('are not claimed by another process, and are removed when their maker no longer can', async () => {
    const { token, partition } = await makeReady()
    await filled(partition)
    // The maker claims one and ends before it wraps anything under it: nothing is closed.
    const claimed = await partition.pool.take(realm, labelFor('orders'))
    await vi.waitFor(() => expect(partition.pool.state().ready).toBe(3), { timeout: 10_000 })
    const later = (days: number): Clock => ({ now: () => new Date(Date.now() + days * 86400e3) })
    const early = await open(await connect(token), { clock: later(8) })
    expect(early.pool.state().ready).toBe(0)
    expect(await early.removeStaleSpares([realm])).toBe(0)
    const late = await open(await connect(token), { clock: later(11) })
    const doomed = idsOf(await spares(late))
    expect(await late.removeStaleSpares([parseRealm('other')])).toBe(0)
    expect(await late.removeStaleSpares([realm])).toBe(3)
    expect(await spares(late)).toEqual([])
    expect(idsOf((await listRealmKeys(late, realm)).keys)).toEqual([claimed?.id])
    // The maker, should it live after all, passes over those that are gone.
    const next = await partition.pool.take(realm, labelFor('orders'))
    expect([...doomed, claimed?.id]).not.toContain(next?.id)
  })

  it('are passed over when somebody destroyed them', async () => {
    const { token, partition } = await makeReady()
    await filled(partition)
    const [first] = await spares(partition)
    for (const type of ['privkey', 'pubkey']) {
      pkcs11Tool(token, '--delete-object', '--type', type, '--id', first?.id ?? '')
    }
    const taken = [1, 2].map(() => partition.pool.take(realm, labelFor('orders')))
    const keys = (await Promise.all(taken)).filter((key) => key !== undefined)
    expect(keys.length).toBeGreaterThan(0)
    expect(idsOf(keys)).not.toContain(first?.id)
  })

  it('wait until no request is under way', async () => {
    const { partition } = await makeReady()
    let end = (): void => undefined
    const request = partition.activity.during(() => new Promise<void>((resolve) => (end = resolve)))
    expect(await partition.pool.take(realm, labelFor('first'))).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(await spares(partition)).toEqual([])
    end()
    await request
    await vi.waitFor(() => expect(partition.pool.state().ready).toBe(3), { timeout: 10_000 })
  })

  it('stop at four fifths of the limit, and are destroyed with the settings that made them', async () => {
    const { partition } = await makeReady({ settings: { limit: 6 } })
    // Three keys are the partition's own: two more make 83 %.
    await filled(partition, 2)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(partition.pool.state().ready).toBe(2)
    await partition.changeKeySettings({ ...keySettings, pool: 0 })
    expect(await spares(partition)).toEqual([])
  })

  it('are destroyed when their maker ends in peace', async () => {
    const { token, partition } = await makeReady()
    await filled(partition)
    await partition.close()
    expect(await spares(await open(await connect(token)))).toEqual([])
  })
})

it('a device that does not rename keys gets none, and says so', async () => {
  const partition = await makePartition({ settings: { pool: 5 } })
  expect(await partition.pool.take(realm, labelFor('a'))).toBeUndefined()
  expect(partition.pool.state()).toMatchObject({
    ready: 0,
    trouble: expect.stringContaining('rename'),
  })
})
