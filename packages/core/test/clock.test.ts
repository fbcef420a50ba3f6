import { describe, expect, it } from 'vitest'
import { formatUtcDate, systemClock } from '../src/clock.js'

describe('clock', () => {
  it('dates in UTC, whatever the zone of the instant', () => {
    expect(formatUtcDate(new Date('2015-07-23T23:59:59.999Z'))).toBe('2015-07-23')
    expect(formatUtcDate(new Date('2015-07-23T23:00:00-05:00'))).toBe('2015-07-24')
  })

  it('tells the time of the machine', () => {
    expect(Math.abs(systemClock.now().getTime() - Date.now())).toBeLessThan(1_000)
  })
})
