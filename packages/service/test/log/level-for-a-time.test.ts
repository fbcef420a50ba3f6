import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LevelForATime } from '../../src/log/level-for-a-time.js'
import { simpleConfiguration } from '../../src/log/configuration.js'
import { openLog } from '../../src/log.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a level for a time', () => {
  it('ends by itself, and says when', () => {
    const applied: unknown[] = []
    const level = new LevelForATime((next) => void applied.push(next))
    const onEnd = vi.fn()
    expect(level.until).toBeUndefined()
    expect(level.set('debug', 60_000, onEnd)).toEqual(new Date(Date.now() + 60_000))
    vi.advanceTimersByTime(59_999)
    expect(applied).toEqual(['debug'])
    vi.advanceTimersByTime(1)
    expect(applied).toEqual(['debug', undefined])
    expect(level.until).toBeUndefined()
    expect(onEnd).toHaveBeenCalledOnce()
  })

  it('is replaced by a later order, whose end counts', () => {
    const applied: unknown[] = []
    const level = new LevelForATime((next) => void applied.push(next))
    level.set('debug', 1000, () => undefined)
    level.set('warn', 5000, () => undefined)
    vi.advanceTimersByTime(4999)
    expect(applied).toEqual(['debug', 'warn'])
    level.end()
    vi.advanceTimersByTime(10_000)
    expect(applied).toEqual(['debug', 'warn', undefined])
  })

  it('outlives a reload of the log and another base, which holds afterwards', async () => {
    const log = openLog({ name: 'keyhsm', level: 'warn' })
    log.setLevelFor('debug', 1000)
    log.configure(simpleConfiguration({ level: 'error' }))
    log.setLevel('warn')
    expect(log.state()).toMatchObject({ level: 'debug', levelUntil: new Date(Date.now() + 1000) })
    vi.advanceTimersByTime(1000)
    expect(log.state().level).toBe('warn')
    expect(log.state()).not.toHaveProperty('levelUntil')
    log.setLevel(undefined)
    expect(log.state().level).toBe('error')
    expect(() => log.setLevelFor('loud', 1000)).toThrow(/must be one of/)
    await log.close()
  })
})
