/** What a KMS does by itself: at its start, every half minute, and as its last word. */
import { DomainError } from '@keyhsm/core'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { startHousekeeping } from '../../src/service/housekeeping.js'
import type { LiveSettings } from '../../src/service/live-settings.js'
import { sharedRefreshMs } from '../../src/service/open-kms.js'
import { cutOffPurge, gone } from '../support/cut-off-purge.js'
import { makeTestKms, type TestKms } from '../support/test-kms.js'

const scanMs = 3 * sharedRefreshMs
const live = { site: { tokens: { removalScanMs: scanMs } } } as LiveSettings

let kms: TestKms
let end: (() => Promise<void>) | undefined
beforeEach(async () => {
  kms = await makeTestKms({ describeMs: 0 })
})
afterEach(async () => {
  await end?.()
  end = undefined
  vi.useRealTimers()
  kms.close()
})

/** Begins it; `tick` lets half a minute pass and waits for what is done then. */
function begin(
  parts: { readonly renew?: () => Promise<boolean>; readonly sweep?: () => Promise<number> } = {},
) {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] })
  const { keys, trail, secrets, states } = kms
  const done = { heads: 0, refreshed: 0, swept: 0, renewals: 0 }
  const said: string[] = []
  const say = (level: string) => (_: unknown, words: string) => void said.push(`${level} ${words}`)
  const log = { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') }
  const kept = {
    keys,
    trail,
    heads: { run: async () => void (done.heads += 1) },
    secrets: { refresh: () => ((done.refreshed += 1), secrets.refresh()) },
    states: { sweep: () => ((done.swept += 1), parts.sweep?.() ?? states.sweep()) },
    connection: { renew: () => ((done.renewals += 1), parts.renew?.() ?? Promise.resolve(false)) },
  } as unknown as Parameters<typeof startHousekeeping>[0]
  const stop = startHousekeeping(kept, { ...log, child: () => log } as never, () => live)
  end = stop
  /** Waits until `holds`, at most until the test ends. */
  const until = async (holds: () => boolean) => {
    do await new Promise((resolve) => setTimeout(resolve, 2))
    while (!holds())
  }
  const tick = async () => {
    const { renewals } = done
    vi.advanceTimersByTime(sharedRefreshMs)
    await until(() => done.renewals > renewals)
  }
  return { done, said, stop, tick, until }
}

it('ends at its start what was cut off, audited as its own doing', async () => {
  await cutOffPurge(kms)
  kms.entries.splice(0)
  const { said, until } = begin()
  await until(() => said.length > 0)
  expect([...kms.vault.rows.keys()].filter((handle) => handle.startsWith('kms.v.'))).toEqual([])
  expect(kms.entries).toEqual([
    expect.objectContaining({ operation: 'purge-key', event: 'intent' }),
    expect.objectContaining({ operation: 'purge-key', event: 'outcome', outcome: 'done' }),
  ])
  expect(kms.entries.map(({ actor }) => actor)).toEqual(['keytrustee-kms', 'keytrustee-kms'])
  expect(said).toEqual(['info a purge that was cut off is ended'])
})

it('tells a purge that cannot be ended yet to audit and log, and ends it later', async () => {
  await cutOffPurge(kms)
  const purge = kms.vault.purge.bind(kms.vault)
  kms.vault.purge = gone
  const { said, tick, until } = begin()
  await until(() => said.length > 0)
  expect(said).toEqual(['warn a purge cannot be ended yet, it is tried again'])
  expect(kms.entries.at(-1)).toMatchObject({ operation: 'purge-key', outcome: 'unavailable' })
  kms.vault.purge = purge
  // Somebody else may be at work on it for a minute.
  await tick()
  expect(said).toHaveLength(1)
  kms.clock.advance(60_000)
  await tick()
  expect(said.at(-1)).toBe('info a purge that was cut off is ended')
})

it('refreshes, renews and tells its head every half minute; sweeps as often as the settings say', async () => {
  const sweep = async () => 2
  const { done, said, tick } = begin({ sweep, renew: async () => true })
  await tick()
  expect(done).toEqual({ heads: 1, refreshed: 1, renewals: 1, swept: 0 })
  await tick()
  await tick()
  expect(done).toEqual({ heads: 3, refreshed: 3, renewals: 3, swept: 1 })
  expect(said).toContain('info states of old delegation tokens are removed')
  expect(said).toContain('info the certificate for the Trustee Server is renewed')
})

it('one task that fails is told, and keeps no other from being done', async () => {
  const failing = () => Promise.reject(new DomainError('ERR_UNAVAILABLE', 'away'))
  kms.vault.list = failing
  const { done, said, tick } = begin({ renew: failing })
  await tick()
  expect(said.every((line) => line.startsWith('warn'))).toBe(true)
  expect(said.filter((line) => line.includes('housekeeping failed'))).not.toEqual([])
  expect(done).toMatchObject({ heads: 1, renewals: 1 })
})

it('ended, it tells its head once more and does nothing else', async () => {
  const { done, stop, until } = begin()
  await stop()
  end = undefined
  vi.advanceTimersByTime(10 * sharedRefreshMs)
  await until(() => true)
  expect(done).toEqual({ heads: 1, refreshed: 0, renewals: 0, swept: 0 })
})
