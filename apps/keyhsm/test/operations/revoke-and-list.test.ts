import { type HsmKeyId, newUuid, parseRealm } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { describePartition } from '../../src/operations/describe-partition.js'
import { listAllKeys, listRealmKeys } from '../../src/operations/list-keys.js'
import { type RevokeRequest, revokeAnyKey, revokeKey } from '../../src/operations/revoke-key.js'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { scopes } from '../../src/settings.js'
import { caller, makeWorkshop, sealRequest, type TestWorkshop } from '../workshop.js'

const other = { ...caller, realm: parseRealm('test') }

async function sealAll(workshop: TestWorkshop) {
  const sealed = []
  for (const scope of scopes) {
    sealed.push(await sealDeposit(workshop, caller, sealRequest(workshop, 'x', { scope })))
  }
  return sealed
}

function revokeRequest(
  { partition }: TestWorkshop,
  hsmKeyId: HsmKeyId,
  reason: RevokeRequest['reason'],
): RevokeRequest {
  return { requestId: newUuid(), hsmKeyId, reason, canary: partition.keys.canaryFingerprint }
}

describe('listing', () => {
  it('shows a realm its own keys and what they are for, in pages', async () => {
    const workshop = await makeWorkshop()
    const sealed = await sealAll(workshop)
    const expected = sealed
      .map(({ hsmKeyId, scope }) => ({ id: hsmKeyId, purpose: scope }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    const { partition } = workshop
    const all = await listRealmKeys(partition, caller.realm)
    expect(all).toMatchObject({ keys: expected })
    expect(all.next).toBeUndefined()
    const first = await listRealmKeys(partition, caller.realm, { limit: 2 })
    expect(first.next).toBe(expected[1]?.id)
    const rest = await listRealmKeys(partition, caller.realm, { after: first.next as HsmKeyId })
    expect(rest.keys.map(({ id }) => id)).toEqual([expected[2]?.id])
    expect(await listRealmKeys(partition, other.realm)).toEqual({ keys: [] })
  })

  it('shows an administrator every key of every realm', async () => {
    const workshop = await makeWorkshop()
    const sealed = await sealAll(workshop)
    const foreign = 'f'.repeat(32) as HsmKeyId
    const { partition } = workshop
    await partition.hsm.createKey({ id: foreign, label: 'theirs', kind: 'aes-256', use: 'wrap' })
    const realms = [other.realm, caller.realm]
    const { keys } = await listAllKeys(partition, realms)
    expect(keys.map(({ purpose }) => purpose).sort()).toEqual(
      ['audit', 'auth', 'canary', 'unknown', ...scopes].sort(),
    )
    const name = sealed[0]?.hsmKeyLabel ?? ''
    expect((await listAllKeys(partition, realms, { name })).keys).toMatchObject([
      { id: sealed[0]?.hsmKeyId, realm: 'prod', purpose: 'deposit' },
    ])
    expect((await listAllKeys(partition, [], { name })).keys).toMatchObject([
      { purpose: 'unknown' },
    ])
  })
})

describe('revoking', () => {
  it('destroys the key, says so in the audit, and may be repeated', async () => {
    const workshop = await makeWorkshop()
    const [sealed] = await sealAll(workshop)
    const request = revokeRequest(workshop, sealed!.hsmKeyId, 'revoke')
    expect(await revokeKey(workshop, caller, request)).toBe('destroyed')
    expect(await revokeKey(workshop, caller, request)).toBe('already-gone')
    expect(await workshop.partition.hsm.findKey(request.hsmKeyId)).toBeUndefined()
    expect((await workshop.entries()).slice(-3)).toEqual([
      'outcome revoke revoked',
      'intent revoke',
      'outcome revoke revoked the key was gone already',
    ])
  })

  it('is refused for another realm’s keys and for the partition’s own', async () => {
    const workshop = await makeWorkshop()
    const sealed = await sealAll(workshop)
    const { keys, hsm } = workshop.partition
    const before = await hsm.listKeys()
    const foreign = sealed.map(({ hsmKeyId }) => [other, hsmKeyId] as const)
    const own = [keys.auth.id, keys.canary.id, keys.audit?.id as HsmKeyId]
    for (const [who, id] of [...foreign, ...own.map((id) => [caller, id] as const)]) {
      const revoking = revokeKey(workshop, who, revokeRequest(workshop, id, 'revoke'))
      await expect(revoking).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    }
    expect(await hsm.listKeys()).toEqual(before)
  })

  it('never hits a shared key by mistake: discard, migrate, prune and test are for deposits’ own keys', async () => {
    const workshop = await makeWorkshop()
    const [own, ...shared] = await sealAll(workshop)
    for (const reason of ['discard', 'migrate', 'prune', 'test'] as const) {
      for (const { hsmKeyId } of shared) {
        await expect(
          revokeKey(workshop, caller, revokeRequest(workshop, hsmKeyId, reason)),
        ).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
      }
    }
    const discard = revokeRequest(workshop, own!.hsmKeyId, 'discard')
    expect(await revokeKey(workshop, caller, discard)).toBe('destroyed')
  })

  it('of a shared key makes the next seal use a new one', async () => {
    const workshop = await makeWorkshop({ seal: { scope: 'organisation' } })
    const seal = () => sealDeposit(workshop, caller, sealRequest(workshop, 'x'))
    const { hsmKeyId } = await seal()
    await revokeKey(workshop, caller, revokeRequest(workshop, hsmKeyId, 'revoke'))
    expect((await seal()).hsmKeyId).not.toBe(hsmKeyId)
  })

  it('by an administrator reaches every realm’s keys and no others', async () => {
    const workshop = await makeWorkshop()
    const sealed = await sealAll(workshop)
    const { keys, hsm } = workshop.partition
    const foreign = 'f'.repeat(32) as HsmKeyId
    await hsm.createKey({ id: foreign, label: 'theirs', kind: 'aes-256', use: 'wrap' })
    const revoke = (hsmKeyId: HsmKeyId) =>
      revokeAnyKey(workshop, 'administrator a', { requestId: newUuid(), hsmKeyId })
    for (const id of [keys.auth.id, keys.canary.id, keys.audit?.id as HsmKeyId, foreign]) {
      await expect(revoke(id)).rejects.toMatchObject({ code: 'ERR_NOT_ALLOWED' })
    }
    for (const { hsmKeyId } of sealed) expect(await revoke(hsmKeyId)).toBe('destroyed')
    await expect(revoke('0'.repeat(32) as HsmKeyId)).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    })
  })
})

describe('describing', () => {
  it('says what a Trustee Server records when it joins', async () => {
    const workshop = await makeWorkshop()
    const { keys, hsm } = workshop.partition
    expect(await describePartition(workshop, caller.realm)).toMatchObject({
      realm: 'prod',
      canary: keys.canaryFingerprint,
      domain: keys.domain,
      scope: 'deposit',
      kind: 'ec-p256',
      profile: 'soft-token',
      hardware: false,
      state: 'ready',
    })
    await hsm.destroyKey(keys.canary.id)
    await expect(workshop.partition.recheck()).rejects.toThrow()
    expect((await describePartition(workshop, caller.realm)).state).toBe('unavailable')
  })
})
