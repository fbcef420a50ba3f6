import { describe, expect, it } from 'vitest'
import { Capacity } from '../../src/keys/capacity.js'

describe('capacity', () => {
  it('warns at 80 % and refuses at 95 % of the limit', () => {
    const capacity = new Capacity(100)
    for (const [keys, level, room] of [
      [79, 'ok', 16],
      [80, 'warn', 15],
      [94, 'warn', 1],
      [95, 'full', 0],
      [99, 'full', 0],
    ] as const) {
      capacity.observe(keys)
      expect(capacity.state()).toEqual({ keys, limit: 100, level, room })
    }
    expect(() => capacity.reserve()).toThrow(expect.objectContaining({ code: 'ERR_HSM_FULL' }))
  })

  it('counts keys being made, so that many at once cannot pass the limit', () => {
    const capacity = new Capacity(20)
    capacity.observe(17)
    expect(capacity.state().room).toBe(2)
    capacity.reserve()
    capacity.reserve()
    expect(() => capacity.reserve()).toThrow(/no room/)
    capacity.release()
    expect(() => capacity.reserve()).not.toThrow()
  })

  it('takes the device’s limit unless the setting names one, and none when nobody does', () => {
    const byDevice = new Capacity()
    byDevice.observe(95, 100)
    expect(byDevice.state().level).toBe('full')
    const bySetting = new Capacity(1000)
    bySetting.observe(95, 100)
    expect(bySetting.state()).toMatchObject({ limit: 1000, level: 'ok' })
    const unlimited = new Capacity()
    unlimited.observe(1e6)
    expect(unlimited.state()).toEqual({ keys: 1e6, limit: undefined, level: 'ok' })
  })

  it('counts bytes too where the device tells them: the scarcer decides', () => {
    const capacity = new Capacity(100)
    capacity.observe(10, undefined, { totalBytes: 1000, freeBytes: 250 })
    expect(capacity.state().level).toBe('ok')
    capacity.observe(10, undefined, { totalBytes: 1000, freeBytes: 200 })
    expect(capacity.state().level).toBe('warn')
    capacity.observe(10, undefined, { totalBytes: 1000, freeBytes: 50 })
    expect(capacity.state()).toMatchObject({ level: 'full', room: 0, memory: { freeBytes: 50 } })
    capacity.observe(95, undefined, { totalBytes: 1000, freeBytes: 900 })
    expect(capacity.state().level).toBe('full')
  })
})
