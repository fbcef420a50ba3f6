import { describe, expect, it } from 'vitest'
import { watchdogPauseMs } from '../../src/lifecycle/notify-systemd.js'

describe('watchdogPauseMs', () => {
  it.each([
    [{}, undefined],
    [{ WATCHDOG_USEC: '30000000' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' }, 15_000],
    [{ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '43' }, undefined],
    [{ WATCHDOG_USEC: '0' }, undefined],
    [{ WATCHDOG_USEC: 'soon' }, undefined],
    [{ WATCHDOG_USEC: '1' }, 1],
  ])('%j asks this process every %s ms', (env, pauseMs) => {
    expect(watchdogPauseMs(env, 42)).toBe(pauseMs)
  })
})
