import { type HsmKeyId, newUuid, parseRealm } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { RealmRate } from '../../src/operations/realm-rate.js'
import { resealDeposit } from '../../src/operations/reseal-deposit.js'
import { revokeKey } from '../../src/operations/revoke-key.js'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { caller, makeWorkshop, sealRequest } from '../workshop.js'

const [prod, test] = [parseRealm('prod'), parseRealm('test')]

function stoppedClock() {
  let now = 1_800_000_000_000
  return { now: () => new Date(now), pass: (ms: number) => (now += ms) }
}

function count(rate: RealmRate, realm = prod): number {
  for (let admitted = 0; ; admitted += 1) {
    try {
      rate.admit(realm)
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_BUSY', retryAfterMs: 1000 })
      return admitted
    }
  }
}

describe('the rate of opens', () => {
  it('is bounded for each realm by itself and grows back with time', () => {
    const clock = stoppedClock()
    const rate = new RealmRate(10, { clock: clock })
    expect(count(rate)).toBe(10)
    expect(count(rate, test)).toBe(10)
    clock.pass(500)
    expect(count(rate)).toBe(5)
    clock.pass(60_000)
    expect(count(rate)).toBe(10)
  })

  it('counts reseals for themselves, and lets none through where they are off', async () => {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'x')
    const { sealed } = await sealDeposit(workshop, caller, request)
    const reseal = (resealRate: RealmRate) => {
      const { context, canary } = request
      const target = { canary, otherKey: false }
      const order = { requestId: request.requestId, context, canary, sealed, target }
      return resealDeposit({ ...workshop, resealRate }, caller, order)
    }
    const refused: string[] = []
    const alarm = { noteRefusal: (realm: string) => refused.push(realm) }
    const one = new RealmRate(1, { clock: stoppedClock(), verb: 'reseals', alarm })
    await reseal(one)
    expect(() => reseal(one)).toThrow(/reseals more than 1 deposits a second/)
    const off = new RealmRate('off', { clock: stoppedClock(), verb: 'reseals', alarm })
    expect(() => reseal(off)).toThrow(/reseals nothing while that is switched off/)
    expect(refused).toEqual([caller.realm, caller.realm])
    expect((await workshop.entries()).filter((entry) => entry.includes('reseal'))).toHaveLength(2)
  })

  it('counts revocations for themselves, of whatever reason', async () => {
    const workshop = await makeWorkshop()
    const refused: string[] = []
    const alarm = { noteRefusal: (realm: string) => refused.push(realm) }
    const revokeRate = new RealmRate(1, { clock: stoppedClock(), verb: 'revokes', alarm })
    const shop = { ...workshop, revokeRate }
    const keys: HsmKeyId[] = []
    for (const text of ['x', 'y']) {
      const { hsmKeyId } = await sealDeposit(workshop, caller, sealRequest(workshop, text))
      keys.push(hsmKeyId)
    }
    const revoke = (hsmKeyId: HsmKeyId, reason: 'discard' | 'revoke') => {
      const canary = workshop.partition.keys.canaryFingerprint
      return revokeKey(shop, caller, { requestId: newUuid(), hsmKeyId, canary, reason })
    }
    const [first, second] = keys as [HsmKeyId, HsmKeyId]
    expect(await revoke(first, 'revoke')).toBe('destroyed')
    for (const reason of ['discard', 'revoke'] as const)
      expect(() => revoke(second, reason)).toThrow(/revokes more than 1 HSM keys a second/)
    expect(refused).toEqual([caller.realm, caller.realm])
    expect(await workshop.partition.hsm.findKey(second)).toBeDefined()
  })

  it('counts no revocation of a key that is gone already: whoever comes again gets on', async () => {
    const workshop = await makeWorkshop()
    const clock = stoppedClock()
    const shop = { ...workshop, revokeRate: new RealmRate(1, { clock, verb: 'revokes' }) }
    const canary = workshop.partition.keys.canaryFingerprint
    const forms = await Promise.all(
      ['x', 'y'].map(async (text) => {
        const request = sealRequest(workshop, text)
        const { sealed, hsmKeyId } = await sealDeposit(workshop, caller, request)
        return { hsmKeyId, proof: { context: request.context, sealed, canary } }
      }),
    )
    const purge = async () => {
      const ends: string[] = []
      for (const { hsmKeyId, proof } of forms) {
        const order = { requestId: newUuid(), hsmKeyId, canary, reason: 'purge', proof } as const
        ends.push(await revokeKey(shop, caller, order))
      }
      return ends
    }
    await expect(purge()).rejects.toMatchObject({ code: 'ERR_BUSY' })
    clock.pass(1000)
    expect(await purge()).toEqual(['already-gone', 'destroyed'])
  })

  it('is not bounded by 0, and does not run backwards with the clock', () => {
    const clock = stoppedClock()
    const unlimited = new RealmRate(0, { clock: clock })
    for (let admitted = 0; admitted < 10_000; admitted += 1) unlimited.admit(prod)
    const rate = new RealmRate(1, { clock: clock })
    rate.admit(prod)
    clock.pass(-60_000)
    expect(count(rate)).toBe(0)
  })

  it('refuses before anything is audited or asked', async () => {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'x')
    const { sealed } = await sealDeposit(workshop, caller, request)
    const shop = { ...workshop, openRate: new RealmRate(1, { clock: stoppedClock() }) }
    await openDeposit(shop, caller, { ...request, sealed })
    const before = await workshop.entries()
    await expect(openDeposit(shop, caller, { ...request, sealed })).rejects.toThrow(/a second/)
    expect(await workshop.entries()).toEqual(before)
  })
})
