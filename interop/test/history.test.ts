/** The checker itself: what it lets pass and what it must not. */
import { describe, expect, it } from 'vitest'

interface Operation {
  readonly kind: 'put' | 'get'
  readonly key: string
  readonly value: number | undefined
  readonly start: number
  readonly end: number
  readonly outcome: string
  readonly standby?: boolean | undefined
}

const { checkHistory, findLost } = (await import(
  new URL('../ha/history.mjs', import.meta.url).href
)) as {
  checkHistory(
    operations: readonly Operation[],
    o: { readonly maxStalenessMs: number },
  ): { readonly violations: readonly unknown[] }
  findLost(
    operations: readonly Operation[],
    finals: ReadonlyMap<string, number | undefined>,
  ): readonly Operation[]
}

const put = (value: number, start: number, end: number, outcome = 'ok'): Operation => ({
  kind: 'put',
  key: 'k',
  value,
  start,
  end,
  outcome,
})
const get = (
  value: number | undefined,
  start: number,
  end: number,
  standby?: boolean,
): Operation => ({
  kind: 'get',
  key: 'k',
  value,
  start,
  end,
  outcome: 'ok',
  standby,
})
const violations = (...operations: readonly Operation[]) =>
  checkHistory(operations, { maxStalenessMs: 100 }).violations.length

describe('checkHistory', () => {
  it.each([
    ['writes and reads in turn', [put(1, 0, 1), get(1, 2, 3), put(2, 4, 5), get(2, 6, 7)]],
    ['nothing there before the first write', [get(undefined, 0, 1), put(1, 2, 3)]],
    [
      'either value while a write is under way',
      [put(1, 0, 1), put(2, 2, 9), get(2, 3, 4), get(2, 5, 6)],
    ],
    ['the old value while a write is under way', [put(1, 0, 1), put(2, 2, 9), get(1, 3, 4)]],
    ['an unknown write that never happened', [put(1, 0, 1), put(2, 2, 3, 'unknown'), get(1, 4, 5)]],
    [
      'an unknown write that happened late',
      [put(1, 0, 1), put(2, 2, 3, 'unknown'), get(1, 4, 5), get(2, 6, 7)],
    ],
    ['two writes at once, in either order', [put(1, 0, 5), put(2, 0, 5), get(1, 6, 7)]],
    ['an old value from a standby', [put(1, 0, 1), put(2, 2, 3), get(1, 50, 60, true)]],
    ['registers apart', [put(1, 0, 1), { ...put(2, 2, 3), key: 'other' }, get(1, 4, 5)]],
  ])('lets pass: %s', (_: string, operations: readonly Operation[]) => {
    expect(violations(...operations)).toBe(0)
  })

  it.each([
    ['a stale read', [put(1, 0, 1), put(2, 2, 3), get(1, 4, 5)]],
    ['a lost write', [put(1, 0, 1), get(undefined, 2, 3)]],
    ['a value nobody wrote', [put(1, 0, 1), get(7, 2, 3)]],
    ['a value before its write', [get(1, 0, 1), put(1, 2, 3)]],
    [
      'two readers that disagree on the order',
      [put(1, 0, 9), put(2, 0, 9), get(1, 10, 11), get(2, 12, 13)],
    ],
    ['new, then old again', [put(1, 0, 1), put(2, 2, 20), get(2, 3, 4), get(1, 5, 6)]],
    [
      'an unknown write that is undone',
      [put(1, 0, 1), put(2, 2, 3, 'unknown'), get(2, 4, 5), get(1, 6, 7)],
    ],
    [
      'a write hidden between two reads of another',
      [put(1, 0, 1), get(1, 2, 3), put(2, 4, 5), get(1, 6, 7)],
    ],
    ['too old a value from a standby', [put(1, 0, 1), put(2, 2, 3), get(1, 104, 105, true)]],
  ])('finds: %s', (_: string, operations: readonly Operation[]) => {
    expect(violations(...operations)).toBeGreaterThan(0)
  })
})

describe('findLost', () => {
  it('counts acknowledged writes after the one that is left', () => {
    const operations = [put(1, 0, 1), put(2, 2, 3), put(3, 4, 5, 'unknown')]
    expect(findLost(operations, new Map([['k', 2]]))).toEqual([])
    expect(findLost(operations, new Map([['k', 3]]))).toEqual([])
    expect(findLost(operations, new Map([['k', 1]]))).toHaveLength(1)
    expect(findLost(operations, new Map([['k', undefined]]))).toHaveLength(2)
  })
})
