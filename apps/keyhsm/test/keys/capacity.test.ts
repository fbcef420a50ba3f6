import { describe, expect, it } from 'vitest'
import { Capacity } from '../../src/keys/capacity.js'

describe('capacity', () => {
  it('warns at 80 % and refuses at 95 % of the limit', () => {
    const capacity = new Capacity({ limit: 100, kind: 'aes-256' })
    for (const [keys, level, room] of [
      [79, 'ok', 16],
      [80, 'warn', 15],
      [94, 'warn', 1],
      [95, 'full', 0],
      [99, 'full', 0],
    ] as const) {
      capacity.observe({ keys, pairs: 0 })
      expect(capacity.state()).toEqual({ keys, limit: 100, level, room })
    }
    expect(() => capacity.reserve()).toThrow(expect.objectContaining({ code: 'ERR_HSM_FULL' }))
  })

  it('counts keys being made, so that many at once cannot pass the limit', () => {
    const capacity = new Capacity({ limit: 20, kind: 'aes-256' })
    capacity.observe({ keys: 17, pairs: 0 })
    expect(capacity.state().room).toBe(2)
    capacity.reserve()
    capacity.reserve()
    expect(() => capacity.reserve()).toThrow(/no room/)
    capacity.release()
    expect(() => capacity.reserve()).not.toThrow()
  })

  it('takes the device’s limit unless the setting names one, and none when nobody does', () => {
    const byDevice = new Capacity({ kind: 'aes-256' })
    byDevice.observe({ keys: 95, pairs: 0 }, { keys: 100, pairs: 5 })
    expect(byDevice.state().level).toBe('full')
    const bySetting = new Capacity({ limit: 1000, kind: 'rsa-2048' })
    bySetting.observe({ keys: 95, pairs: 0 }, { keys: 100, pairs: 5 })
    expect(bySetting.state()).toMatchObject({ limit: 1000, level: 'ok' })
    const unlimited = new Capacity({ kind: 'aes-256' })
    unlimited.observe({ keys: 1e6, pairs: 0 })
    expect(unlimited.state()).toEqual({ keys: 1e6, limit: undefined, level: 'ok' })
  })

  it('counts bytes too where the device tells them: the scarcer decides', () => {
    const capacity = new Capacity({ limit: 100, kind: 'aes-256' })
    capacity.observe({ keys: 10, pairs: 0 }, undefined, { totalBytes: 1000, freeBytes: 250 })
    expect(capacity.state().level).toBe('ok')
    capacity.observe({ keys: 10, pairs: 0 }, undefined, { totalBytes: 1000, freeBytes: 200 })
    expect(capacity.state().level).toBe('warn')
    capacity.observe({ keys: 10, pairs: 0 }, undefined, { totalBytes: 1000, freeBytes: 50 })
    expect(capacity.state()).toMatchObject({ level: 'full', room: 0, memory: { freeBytes: 50 } })
    capacity.observe({ keys: 95, pairs: 0 }, undefined, { totalBytes: 1000, freeBytes: 900 })
    expect(capacity.state().level).toBe('full')
  })
  it('counts pairs by themselves where the device takes fewer of them and pairs are made', () => {
    const limits = { keys: 1000, pairs: 100 }
    const pairs = new Capacity({ kind: 'rsa-2048' })
    pairs.observe({ keys: 500, pairs: 94 }, limits)
    expect(pairs.state()).toEqual({ keys: 94, limit: 100, level: 'warn', room: 1 })
    pairs.reserve()
    expect(() => pairs.reserve()).toThrow(expect.objectContaining({ code: 'ERR_HSM_FULL' }))
    pairs.observe({ keys: 949, pairs: 3 }, limits)
    expect(pairs.state()).toEqual({ keys: 949, limit: 1000, level: 'warn', room: 1 })
    const secrets = new Capacity({ kind: 'aes-256' })
    secrets.observe({ keys: 500, pairs: 100 }, limits)
    expect(secrets.state()).toEqual({ keys: 500, limit: 1000, level: 'ok', room: 450 })
  })
})
