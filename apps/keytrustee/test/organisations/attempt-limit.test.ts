import { describe, expect, test } from 'vitest'
import { type AttemptLimits, createAttemptLimit } from '../../src/organisations/attempt-limit.js'
import { TestClock } from '../support/surroundings.js'

const limits: AttemptLimits = { perPeer: 3, perOrganisation: 5, windowMs: 60_000, concurrent: 2 }
const wrong = () => Promise.resolve(false)
const right = () => Promise.resolve(true)
const busy = { code: 'ERR_BUSY' }

describe('createAttemptLimit', () => {
  test('bounds wrong tries of a peer and gives them back with time', async () => {
    const clock = new TestClock()
    const limit = createAttemptLimit(clock, limits)
    const of = { peer: '192.0.2.1', organisation: 'PROD' }
    for (let i = 0; i < 3; i += 1) expect(await limit.attempt(of, wrong)).toBe(false)
    await expect(limit.attempt(of, right)).rejects.toMatchObject({ ...busy, retryAfterMs: 60_000 })
    expect(await limit.attempt({ ...of, peer: '192.0.2.2' }, wrong)).toBe(false)
    clock.advance(20_000)
    expect(await limit.attempt(of, wrong)).toBe(false)
    await expect(limit.attempt(of, wrong)).rejects.toMatchObject(busy)
  })

  test('bounds wrong tries at an organisation over all peers', async () => {
    const limit = createAttemptLimit(new TestClock(), limits)
    const from = (peer: string) => ({ peer, organisation: 'PROD' })
    for (const peer of ['a', 'b', 'c', 'd', 'e']) await limit.attempt(from(peer), wrong)
    await expect(limit.attempt(from('f'), wrong)).rejects.toMatchObject(busy)
    expect(await limit.attempt({ peer: 'f', organisation: 'OTHER' }, wrong)).toBe(false)
  })

  test('right answers cost nothing', async () => {
    const limit = createAttemptLimit(new TestClock(), limits)
    const of = { peer: 'a', organisation: 'PROD' }
    for (let i = 0; i < 20; i += 1) expect(await limit.attempt(of, right)).toBe(true)
  })

  test('tries at once cannot share one, and only some run at a time', async () => {
    const limit = createAttemptLimit(new TestClock(), limits)
    let running = 0
    let most = 0
    const slow = async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return false
    }
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => limit.attempt({ peer: 'a', organisation: 'PROD' }, slow)),
    )
    expect(most).toBe(2)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2)
  })

  test('forgets the names unused for longest, so that strangers cannot fill the memory', async () => {
    const limit = createAttemptLimit(new TestClock(), {
      ...limits,
      perPeer: 1,
      perOrganisation: 1e9,
    })
    const of = (peer: string) => ({ peer, organisation: 'PROD' })
    await limit.attempt(of('first'), wrong)
    await expect(limit.attempt(of('first'), wrong)).rejects.toMatchObject(busy)
    for (let i = 0; i < 10_000; i += 1) await limit.attempt(of(`peer-${i}`), wrong)
    expect(await limit.attempt(of('first'), wrong)).toBe(false)
  })
})
