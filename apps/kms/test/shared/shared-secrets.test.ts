import { describe, expect, it } from 'vitest'
import { DomainError } from '@keyhsm/core'
import { SharedSecrets } from '../../src/shared/shared-secrets.js'
import { MemoryVault } from '../support/memory-vault.js'
import { TestClock } from '../support/test-clock.js'

const hour = 3_600_000
const rotation = () => ({
  cookies: { everyMs: hour, acceptedMs: hour },
  masterKeys: { everyMs: 24 * hour, acceptedMs: 168 * hour },
})

function instances(count: number) {
  const [vault, clock] = [new MemoryVault(), new TestClock()]
  const make = () => new SharedSecrets({ vault, clock, rotation, refreshMs: 30_000 })
  return { vault, clock, all: Array.from({ length: count }, make) }
}

describe('shared secrets', () => {
  it('are made once, whoever comes first', async () => {
    const { vault, all } = instances(3)
    const signing = await Promise.all(all.map((one) => one.signing('cookies')))
    expect(new Set(signing.map(({ secret }) => secret)).size).toBe(1)
    expect(vault.rows.get('kms.secrets')?.revision).toBe(1)
  })

  it('are known everywhere before they are used', async () => {
    const { clock, all } = instances(2)
    const [one, two] = all as [SharedSecrets, SharedSecrets]
    await Promise.all(all.map((each) => each.refresh()))
    for (let minute = 0; minute < 200; minute += 1) {
      clock.advance(60_000)
      // Only one looks in time; the other a little later, as housekeeping runs.
      await one.refresh()
      const { secret } = await one.signing('cookies')
      await two.refresh()
      const accepted = await two.accepted('cookies')
      expect(accepted.map((each) => each.secret)).toContain(secret)
    }
    expect((await one.signing('cookies')).id).toBeGreaterThan(2)
  })

  it('are accepted as long as what they signed may live, and then forgotten', async () => {
    const { clock, all } = instances(1)
    const [one] = all as [SharedSecrets]
    const first = await one.signing('cookies')
    clock.advance(2 * hour)
    await one.refresh()
    expect((await one.accepted('cookies')).some(({ id }) => id === first.id)).toBe(true)
    clock.advance(2 * hour)
    await one.refresh()
    expect((await one.accepted('cookies')).some(({ id }) => id === first.id)).toBe(false)
  })

  it.each([11, 24, 24 * 770])(
    'come back after an instance whose clock was %d hours ahead',
    async (hours) => {
      const { vault, clock, all } = instances(2)
      const [one] = all as [SharedSecrets]
      await one.refresh()
      const wrong = new TestClock(clock.ms + hours * hour)
      await new SharedSecrets({ vault, clock: wrong, rotation, refreshMs: 30_000 }).refresh()
      clock.advance(60_000)
      for (const each of all) await each.refresh()
      const signing = await Promise.all(all.map((each) => each.signing('cookies')))
      expect(signing[0]?.from).toBeLessThanOrEqual(clock.ms)
      expect(signing[1]).toEqual(signing[0])
      expect((await one.signing('masterKeys')).from).toBeLessThanOrEqual(clock.ms)
    },
  )

  it('stay in use while nobody can be asked', async () => {
    const { vault, clock, all } = instances(1)
    const [one] = all as [SharedSecrets]
    const { secret } = await one.signing('cookies')
    clock.advance(60_000)
    vault.faults.push(new DomainError('ERR_UNAVAILABLE', 'gone'))
    expect((await one.signing('cookies')).secret).toBe(secret)
  })

  it('are found by id also when another instance made them a moment ago', async () => {
    const { clock, all } = instances(2)
    const [one, two] = all as [SharedSecrets, SharedSecrets]
    await two.refresh()
    clock.advance(24 * hour - 30_000)
    const document = await one.refresh()
    const newest = Math.max(...document.masterKeys.map(({ id }) => id))
    expect(await two.find('masterKeys', newest)).toBeDefined()
    expect(await two.find('masterKeys', 99)).toBeUndefined()
  })

  it('are refused when the deposit is damaged', async () => {
    const { vault, all } = instances(1)
    await vault.write([
      {
        handle: 'kms.secrets' as never,
        content: Buffer.from('{}'),
        scope: 'service',
        over: 'absent',
      },
    ])
    await expect(all[0]?.refresh()).rejects.toMatchObject({ code: 'ERR_INTEGRITY' })
  })
})
