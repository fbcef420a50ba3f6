import { newUuid } from '@keyhsm/core'
import { describe, expect, it } from 'vitest'
import { choose, leaseMs } from '../../../../src/store/postgres/following/choose.js'
import type {
  HostView,
  NodeSeen,
  Sighting,
} from '../../../../src/store/postgres/following/sighting.js'

const now = 1_000_000
const node = (ageMs: number, timeline = 1): NodeSeen => ({
  node: newUuid(),
  name: 'a',
  url: 'https://a:11371',
  serverFingerprint: 'ab'.repeat(32) as NodeSeen['serverFingerprint'],
  version: '1',
  timeline,
  ageMs,
})
const seen = (fields: Partial<Sighting>): Sighting => ({
  seenAt: now - 500,
  primary: true,
  system: '7',
  timeline: 1,
  synchronous: true,
  nodes: [node(100)],
  ...fields,
})
const view = (sighting: Sighting | undefined, place = 'db1'): HostView => ({
  place,
  sighting,
  fault: sighting ? undefined : 'away',
})
const primary = (fields: Partial<Sighting> = {}) =>
  seen({ confirmedAt: now - 1_000, heldUntil: now - 1_000, ...fields })
const standby = (ageMs: number, fields: Partial<Sighting> = {}) =>
  seen({ primary: false, nodes: [node(ageMs)], ...fields })
const pick = (views: readonly HostView[], timeline = 1) =>
  choose(views, { now, floor: { system: '7', timeline }, maxStalenessMs: 30_000 })

describe('choose', () => {
  it('writes to a primary whose beat was confirmed of late', () => {
    expect(pick([view(standby(100)), view(primary(), 'db2')])).toMatchObject({
      mode: 'writer',
      host: 1,
    })
  })

  it.each([
    ['was never confirmed', { confirmedAt: undefined }, 'none'],
    ['was confirmed as long ago as the lease', { confirmedAt: now - leaseMs }, 'reader'],
    ['was confirmed before the limit of staleness', { confirmedAt: now - 29_999 }, 'reader'],
    ['was confirmed beyond it', { confirmedAt: now - 30_000 }, 'none'],
    ['is new and held', { heldUntil: now + 1 }, 'reader'],
  ] as const)('a primary that %s', (_, fields, mode) => {
    const { confirmedAt, ...rest } = primary(fields as Partial<Sighting>)
    const sighting = confirmedAt === undefined ? rest : { ...rest, confirmedAt }
    expect(pick([view(sighting)]).mode).toBe(mode)
  })

  it.each([
    [29_000, 'reader'],
    [29_500, 'none'],
    [-5_000, 'reader'],
  ] as const)('a standby whose newest beat was %s ms old half a second ago', (ageMs, mode) => {
    expect(pick([view(standby(ageMs))]).mode).toBe(mode)
  })

  it('reads nothing from a standby that never replayed a beat', () => {
    expect(pick([view(seen({ primary: false, timeline: undefined, nodes: [] }))]).mode).toBe('none')
  })

  it('refuses a primary and a standby of a timeline left behind, and names it', () => {
    const choice = pick([view(primary()), view(standby(100), 'db2')], 2)
    expect(choice.mode).toBe('none')
    expect(choice.detail).toContain('timeline 1 was left behind')
  })

  it('prefers the higher timeline', () => {
    const views = [view(primary()), view(primary({ timeline: 2 }), 'db2')]
    expect(pick(views)).toMatchObject({ mode: 'writer', host: 1 })
  })

  it('takes neither of two primaries on one timeline', () => {
    const choice = pick([view(primary()), view(primary(), 'db2')])
    expect(choice).toMatchObject({ mode: 'none' })
    expect(choice.detail).toContain('stop the wrong one')
  })

  it('refuses another database under the same address', () => {
    expect(pick([view(primary({ system: '8' }))])).toMatchObject({ mode: 'none' })
  })

  it('reads from the youngest copy', () => {
    const views = [view(standby(9_000)), view(standby(100), 'db2'), view(undefined, 'db3')]
    expect(pick(views)).toMatchObject({ mode: 'reader', host: 1 })
  })
})
