import { parseHsmKeyId } from '@keyhsm/core'
import type { Hsm } from '@keyhsm/hsm'
import { describe, expect, it } from 'vitest'
import { makePartitionKeys } from '../../src/partition/make-partition-keys.js'
import { keySettings, makeToken, partitionsOf } from '../soft-token.js'
import { Partition } from '../../src/partition/partition.js'
import { systemClock } from '@keyhsm/core'

const options = { kind: 'ec-p256', settleMs: 5 } as const
const connect = { keySettings, clock: systemClock }

async function token(): Promise<Hsm> {
  return (await makeToken())[0]!
}

const useOf = async (hsm: Hsm) => (await hsm.listKeys()).map((key) => key.use).sort()

describe('preparing a partition', () => {
  it('makes an authentication, a canary and an audit key, once', async () => {
    const hsm = await token()
    const first = await makePartitionKeys(hsm, options)
    expect(first.made.map((label) => label.split('-')[0])).toEqual(['auth', 'canary', 'audit'])
    const second = await makePartitionKeys(hsm, { ...options, expectedDomain: first.keys.domain })
    expect(second.made).toEqual([])
    expect(second.keys.domain).toBe(first.keys.domain)
    expect(second.keys.canaryFingerprint).toBe(first.keys.canaryFingerprint)
    expect(await useOf(hsm)).toEqual(['authenticate', 'sign', 'wrap'])
  })

  it('ends with one set of keys when several set-ups race', async () => {
    const hsms = await makeToken(4)
    const made = await Promise.all(
      hsms.map((hsm) => makePartitionKeys(hsm, { ...options, settleMs: 100 })),
    )
    expect(new Set(made.map(({ keys }) => keys.domain)).size).toBe(1)
    expect(new Set(made.map(({ keys }) => keys.canary.id)).size).toBe(1)
    expect(await useOf(hsms[0]!)).toEqual(['authenticate', 'sign', 'wrap'])
  })

  it('has a canary fingerprint of its own for a canary that is a secret key', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, { ...options, kind: 'aes-256' })
    expect(keys.canaryFingerprint).toMatch(/^[0-9a-f]{64}$/)
    expect(keys.canaryFingerprint).not.toBe(keys.canary.fingerprint)
  })

  it('refuses another partition than the recorded one, unless forced', async () => {
    const expectedDomain = '0'.repeat(32)
    const hsm = await token()
    await expect(makePartitionKeys(hsm, { ...options, expectedDomain })).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
    expect(await hsm.listKeys()).toEqual([])
    const forced = await makePartitionKeys(hsm, { ...options, expectedDomain, force: true })
    expect(forced.keys.domain).not.toBe(expectedDomain)
  })

  it('refuses to replace a lost authentication key beside other keys, unless forced', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, options)
    await hsm.destroyKey(keys.auth.id)
    await expect(makePartitionKeys(hsm, options)).rejects.toThrow(/not the one that authenticates/)
    const forced = await makePartitionKeys(hsm, { ...options, force: true })
    expect(forced.keys.domain).not.toBe(keys.domain)
  })
})

describe('connecting a partition', () => {
  it('never makes keys: an empty partition is refused and the token named', async () => {
    const hsm = await token()
    await expect(Partition.connect(hsm, connect)).rejects.toThrow(
      /wrong partition: .*"test".* holds no keys of Key HSM/,
    )
    expect(await hsm.listKeys()).toEqual([])
  })

  it('refuses a partition whose canary is gone, and one of another domain', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, options)
    await expect(
      Partition.connect(hsm, { ...connect, expectedDomain: 'f'.repeat(32) }),
    ).rejects.toThrow(/is not the one that was set up/)
    await hsm.destroyKey(keys.canary.id)
    await expect(Partition.connect(hsm, connect)).rejects.toMatchObject({
      code: 'ERR_WRONG_PARTITION',
    })
  })

  it('takes the domain recorded at set-up when there are two authentication keys', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, options)
    const id = parseHsmKeyId('0'.repeat(32))
    await hsm.createKey({ id, label: 'auth-x', kind: 'hmac-sha256', use: 'authenticate' })
    const partition = await Partition.connect(hsm, { ...connect, expectedDomain: keys.domain })
    expect(partition.keys.auth.id).toBe(keys.auth.id)
  })

  it('is not fooled by a deposit’s key that is named like the canary', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, options)
    const id = parseHsmKeyId('0'.repeat(32))
    await hsm.createKey({ id, label: keys.canary.label, kind: 'ec-p256', use: 'wrap' })
    const partition = await Partition.connect(hsm, connect)
    expect(partition.keys.canary.id).toBe(keys.canary.id)
  })

  it('is the wrong one as long as the canary is not to be seen', async () => {
    const hsm = await token()
    const { keys } = await makePartitionKeys(hsm, options)
    const partition = await Partition.connect(hsm, connect)
    const partitions = partitionsOf(partition)
    expect(() => partitions.requireCanary(keys.canaryFingerprint)).not.toThrow()
    await hsm.destroyKey(keys.canary.id)
    await expect(partition.confirmVisible()).rejects.toMatchObject({ code: 'ERR_WRONG_PARTITION' })
    expect(() => partitions.requireCanary(keys.canaryFingerprint)).toThrow(/does not show/)
    await expect(partition.recheck()).rejects.toMatchObject({ code: 'ERR_WRONG_PARTITION' })
    expect(() => partitions.requireCanary(keys.auth.fingerprint)).toThrow(/is another one/)
  })
})
