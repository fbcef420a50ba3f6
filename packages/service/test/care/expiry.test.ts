import { describe, expect, it } from 'vitest'
import { expiryWarnings } from '../../src/care/expiry.js'

const dayMs = 86_400_000
const expiresAt = new Date('2027-01-01T12:00:00Z')
const certificate = {
  id: 'server',
  what: 'the certificate',
  expiresAt,
  cure: 'cert renew',
  effect: 'nobody comes in',
}

/** What is said `days` before the end. */
function said(days: number) {
  return expiryWarnings([certificate], new Date(expiresAt.getTime() - days * dayMs))
}

describe('certificates that end', () => {
  it.each([
    [60, 0],
    [59.9, 1],
    [-1, 1],
  ])('%d days before the end are %d warnings', (days, count) => {
    expect(said(days)).toHaveLength(count)
  })

  it('are another warning at each of 60, 30 and 7 days and at the end, and the same in between', () => {
    const keys = [59, 31, 29, 8, 6, 1, -1, -50].map((days) => said(days)[0]?.key)
    expect(new Set(keys).size).toBe(4)
    expect(keys[0]).toBe(keys[1])
    expect(keys[6]).toBe(keys[7])
  })

  it('say the day and the cure', () => {
    expect(said(6.5)[0]?.text).toBe(
      'the certificate expires in 6 days, on 2027-01-01; run cert renew',
    )
    expect(said(-0.5)[0]?.text).toBe(
      'the certificate expired on 2027-01-01: nobody comes in; run cert renew',
    )
  })
})
