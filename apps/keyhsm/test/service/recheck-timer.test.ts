import { Closers } from '@keyhsm/service'
import { systemClock } from '@keyhsm/core'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { startRecheckTimer } from '../../src/service/recheck-timer.js'
import { makePartition } from '../soft-token.js'

function makeLog() {
  const lines: string[] = []
  const write = (_fields: unknown, message: string) => void lines.push(message)
  const log = { debug: write, info: write, warn: write, error: write, child: () => log }
  return { log, lines }
}

describe('the recheck timer', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  async function start(settings: { limit?: number } = {}) {
    const partition = await makePartition({ settings, clock: systemClock })
    const { log, lines } = makeLog()
    const codes: string[] = []
    const backend = { name: 'default', partition, connect: () => Promise.resolve(partition) }
    const stop = startRecheckTimer({
      backend,
      log,
      everyMs: () => 60_000,
      onError: ({ code }) => void codes.push(code),
      realms: () => [],
    })
    onTestFinished(stop)
    const recheck = vi.spyOn(partition, 'recheck')
    const passed = async (ms: number, calls: number) => {
      await vi.advanceTimersByTimeAsync(ms)
      await vi.waitFor(() => expect(recheck.mock.results.length).toBe(calls))
      await Promise.allSettled(recheck.mock.results.map(({ value }) => value as Promise<void>))
      await new Promise(setImmediate)
    }
    return { partition, lines, codes, stop, passed, recheck }
  }

  it('looks at the pace that is set, sooner while something is wrong, and says both changes once', async () => {
    const { partition, lines, codes, passed } = await start()
    await passed(60_000, 1)
    expect(lines).toEqual([])
    const { hsm, keys } = partition
    await hsm.destroyKey(keys.canary.id)
    await passed(60_000, 2)
    await passed(2000, 3)
    expect(lines).toEqual(['the HSM cannot be rechecked'])
    expect(codes).toEqual(['ERR_WRONG_PARTITION', 'ERR_WRONG_PARTITION'])
    const { id, label, kind, use } = keys.canary
    await hsm.createKey({ id, label, kind, use })
    await passed(2000, 4)
    expect(lines).toEqual(['the HSM cannot be rechecked', 'the HSM answers again'])
    expect(partition.visible).toBe(true)
  })

  it('looks soon after a request has found the partition gone', async () => {
    const { partition, passed } = await start()
    const { hsm, keys } = partition
    await hsm.destroyKey(keys.canary.id)
    await expect(partition.confirmVisible()).rejects.toMatchObject({ code: 'ERR_WRONG_PARTITION' })
    const { id, label, kind, use } = keys.canary
    await hsm.createKey({ id, label, kind, use })
    await passed(2000, 1)
    expect(partition.visible).toBe(true)
    await passed(58_000, 1)
    await passed(2000, 2)
  })

  it('warns when the partition fills up', async () => {
    const { partition, lines, passed } = await start({ limit: 4 })
    const id = 'ab'.repeat(16) as typeof partition.keys.auth.id
    await partition.hsm.createKey({ id, label: 'other', kind: 'aes-256', use: 'wrap' })
    await passed(60_000, 1)
    expect(lines).toEqual(['no room for new HSM keys'])
    await passed(60_000, 2)
    expect(lines.length).toBe(1)
  })

  it('looks no more after it was stopped', async () => {
    const { stop, recheck } = await start()
    await stop()
    await vi.advanceTimersByTimeAsync(600_000)
    expect(recheck).not.toHaveBeenCalled()
  })
})

describe('closers', () => {
  it('close in the reverse order, all of them, and report the first failure', async () => {
    const closed: string[] = []
    const closers = new Closers()
    for (const name of ['hsm', 'audit', 'port']) {
      closers.add(() => {
        closed.push(name)
        if (name !== 'hsm') throw new Error(name)
      })
    }
    await expect(closers.closeAll()).rejects.toThrow('port')
    expect(closed).toEqual(['port', 'audit', 'hsm'])
    await closers.closeAll()
    expect(closed.length).toBe(3)
  })
})
