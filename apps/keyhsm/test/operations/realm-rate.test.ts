import { parseRealm } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { openDeposit } from '../../src/operations/open-deposit.js'
import { OpenRate } from '../../src/operations/open-rate.js'
import { sealDeposit } from '../../src/operations/seal-deposit.js'
import { caller, makeWorkshop, sealRequest } from '../workshop.js'

const [prod, test] = [parseRealm('prod'), parseRealm('test')]

function stoppedClock() {
  let now = 1_800_000_000_000
  return { now: () => new Date(now), pass: (ms: number) => (now += ms) }
}

function count(rate: OpenRate, realm = prod): number {
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
    const rate = new OpenRate(10, clock)
    expect(count(rate)).toBe(10)
    expect(count(rate, test)).toBe(10)
    clock.pass(500)
    expect(count(rate)).toBe(5)
    clock.pass(60_000)
    expect(count(rate)).toBe(10)
  })

  it('is not bounded by 0, and does not run backwards with the clock', () => {
    const clock = stoppedClock()
    const unlimited = new OpenRate(0, clock)
    for (let admitted = 0; admitted < 10_000; admitted += 1) unlimited.admit(prod)
    const rate = new OpenRate(1, clock)
    rate.admit(prod)
    clock.pass(-60_000)
    expect(count(rate)).toBe(0)
  })

  it('refuses before anything is audited or asked', async () => {
    const workshop = await makeWorkshop()
    const request = sealRequest(workshop, 'x')
    const { sealed } = await sealDeposit(workshop, caller, request)
    const shop = { ...workshop, openRate: new OpenRate(1, stoppedClock()) }
    await openDeposit(shop, caller, { ...request, sealed })
    const before = await workshop.entries()
    await expect(openDeposit(shop, caller, { ...request, sealed })).rejects.toThrow(/a second/)
    expect(await workshop.entries()).toEqual(before)
  })
})
