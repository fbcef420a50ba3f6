/**
 * Whether what clients saw of registers can have happened. Each register is a deposit; each write has a value of its own.
 * An operation is `{ kind: 'put' | 'get', key, value, start, end, outcome: 'ok' | 'unknown', standby? }`, times in ms of one clock;
 * `value` of a get that found nothing is undefined. An unknown put may have happened at any time after its start, or never.
 *
 * Reads from the primary and all writes must be linearizable; decided exactly by zones, because values are unique.
 * @see Gibbons and Korach, Testing Shared Memories, SIAM J. Comput. 26 (1997), section 4.1
 * Reads marked `standby` may be old: never older than `maxStalenessMs`, and never of a value nobody wrote.
 */

/** @returns {{ violations: { key: string, why: string }[], reads: number, standbyReads: number, acknowledged: number, unknown: number }} */
export function checkHistory(operations, { maxStalenessMs }) {
  const registers = groupBy(operations, ({ key }) => key)
  const violations = []
  for (const [key, own] of registers) {
    const found = checkRegister(own, maxStalenessMs)
    violations.push(...found.map((why) => ({ key, why })))
  }
  const count = (wanted) => operations.filter(wanted).length
  return {
    violations,
    reads: count(({ kind, standby }) => kind === 'get' && !standby),
    standbyReads: count(({ kind, standby }) => kind === 'get' && standby),
    acknowledged: count(({ kind, outcome }) => kind === 'put' && outcome === 'ok'),
    unknown: count(({ kind, outcome }) => kind === 'put' && outcome === 'unknown'),
  }
}

/** Acknowledged writes that certainly came after the one that is there at the end. */
export function findLost(operations, finals) {
  const puts = operations.filter(({ kind }) => kind === 'put')
  const writeOf = new Map(puts.map((put) => [`${put.key} ${put.value}`, put]))
  return puts.filter(({ key, start, outcome }) => {
    if (outcome !== 'ok' || !finals.has(key)) return false
    const left = writeOf.get(`${key} ${finals.get(key)}`)
    return left === undefined || endOf(left) < start
  })
}

function checkRegister(operations, maxStalenessMs) {
  const puts = operations.filter(({ kind }) => kind === 'put')
  const gets = operations.filter(({ kind }) => kind === 'get')
  const writeOf = new Map(puts.map((put) => [put.value, put]))
  writeOf.set(undefined, { start: -Infinity, end: -Infinity, outcome: 'ok', value: undefined })
  const faults = gets.flatMap((get) => findImpossible(get, writeOf.get(get.value)))
  if (faults.length > 0) return faults
  const current = gets.filter(({ standby }) => !standby)
  const zones = zonesOf([...writeOf.values()], current)
  const stale = gets
    .filter(({ standby }) => standby)
    .flatMap((get) => findStale(get, { writeOf, puts, maxStalenessMs }))
  return [...findClashes(zones), ...stale]
}

function findImpossible(get, put) {
  if (!put) return [`${say(get)} returned a value that nobody wrote`]
  return get.end < put.start ? [`${say(get)} returned a value before it was written`] : []
}

/** One zone a write, with its reads; what is unknown and was never read need not have happened. */
function zonesOf(writes, gets) {
  const readsOf = groupBy(gets, ({ value }) => value)
  return writes.flatMap((write) => {
    const reads = readsOf.get(write.value) ?? []
    if (reads.length === 0 && write.outcome !== 'ok') return []
    const cluster = [{ start: write.start, end: endOf(write) }, ...reads]
    const firstEnd = Math.min(...cluster.map(({ end }) => end))
    const lastStart = Math.max(...cluster.map(({ start }) => start))
    const forward = firstEnd < lastStart
    const [low, high] = forward ? [firstEnd, lastStart] : [lastStart, firstEnd]
    return [{ value: write.value, low, high, forward }]
  })
}

/** Two values that must both have been there in between, or one that must have come and gone while another was there. */
function findClashes(zones) {
  const forward = zones.filter((zone) => zone.forward).toSorted((a, b) => a.low - b.low)
  const faults = []
  let widest
  for (const zone of forward) {
    if (widest && zone.low < widest.high)
      faults.push(`values ${widest.value} and ${zone.value} cannot both have been current`)
    if (!widest || zone.high > widest.high) widest = zone
  }
  for (const { value, low, high } of zones.filter((zone) => !zone.forward)) {
    const around = forward.find((zone) => zone.low < low && high < zone.high)
    if (around)
      faults.push(
        `value ${value} cannot have been written while ${around.value} was read on both sides`,
      )
  }
  return faults
}

function findStale(get, { writeOf, puts, maxStalenessMs }) {
  const write = writeOf.get(get.value)
  const newer = puts.find(
    (put) =>
      put.outcome === 'ok' && endOf(write) < put.start && put.end < get.start - maxStalenessMs,
  )
  return newer === undefined
    ? []
    : [`${say(get)} from a standby is older than ${maxStalenessMs} ms: ${newer.value} was there`]
}

function endOf({ outcome, end }) {
  return outcome === 'ok' ? end : Infinity
}

function say({ value, start, end }) {
  return `get of ${value} (${Math.round(start)}-${Math.round(end)})`
}

function groupBy(rows, keyOf) {
  const groups = new Map()
  for (const row of rows) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return groups
}
