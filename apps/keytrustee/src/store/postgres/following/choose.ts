/** Which copy serves, and for what: decided anew at each use, from what was seen last. Pure. */
import type { HostView, SeenTimeline, Sighting } from './sighting.js'

export interface Choice {
  /** `reader`: retrievals that change nothing; `none`: nothing at all. */
  readonly mode: 'writer' | 'reader' | 'none'
  /** Which of the views; undefined for `none`. */
  readonly host: number | undefined
  /** One line for the operator. */
  readonly detail: string
}

/**
 * How long after a confirmed beat a primary counts as the only one. A server that finds a new primary acknowledges nothing
 * for as long (docs/decisions/0100-following-the-primary.md).
 */
export const leaseMs = 3_000

export interface ChooseOptions {
  readonly now: number
  readonly floor: SeenTimeline | undefined
  readonly maxStalenessMs: number
}

interface Candidate {
  readonly host: number
  readonly place: string
  readonly seen: Sighting
}

export function choose(views: readonly HostView[], o: ChooseOptions): Choice {
  const candidates = views.flatMap(({ sighting, place }, host) =>
    sighting && refusalOf(sighting, o.floor) === undefined ? [{ host, place, seen: sighting }] : [],
  )
  const primaries = candidates.filter(({ seen }) => seen.primary)
  const [primary, second] = primaries.toSorted((a, b) => timelineOf(b) - timelineOf(a))
  if (primary && second && timelineOf(primary) === timelineOf(second))
    return {
      mode: 'none',
      host: undefined,
      detail: `${primary.place} and ${second.place} both take writes on one timeline: stop the wrong one`,
    }
  if (primary && isWriter(primary.seen, o.now))
    return { mode: 'writer', host: primary.host, detail: `primary ${primary.place}` }
  const readers = candidates
    .map((candidate) => ({ ...candidate, ageMs: ageOf(candidate.seen, o.now) }))
    .filter(({ ageMs }) => ageMs < o.maxStalenessMs)
    .toSorted((a, b) => a.ageMs - b.ageMs)
  const [reader] = readers
  if (reader) return { mode: 'reader', host: reader.host, detail: readerLine(reader, primary) }
  return { mode: 'none', host: undefined, detail: nothingLine(views, o) }
}

/** Why a copy may not be used at all; undefined when it may. */
export function refusalOf(seen: Sighting, floor: SeenTimeline | undefined): string | undefined {
  if (seen.removed)
    return 'this server was removed from the installation (to come back it joins anew: ktadmin join)'
  if (!floor) return undefined
  if (seen.system !== floor.system)
    return 'it is another database than before (if that is right: ktadmin db bootstrap --url URL)'
  if (seen.timeline !== undefined && seen.timeline < floor.timeline)
    return `its timeline ${seen.timeline} was left behind: timeline ${floor.timeline} was seen before`
  return undefined
}

function isWriter({ confirmedAt, heldUntil = 0 }: Sighting, now: number): boolean {
  return confirmedAt !== undefined && now - confirmedAt < leaseMs && now >= heldUntil
}

/** How old what it shows may be. */
export function ageOf({ primary, confirmedAt, seenAt, nodes }: Sighting, now: number): number {
  if (primary) return confirmedAt === undefined ? Infinity : now - confirmedAt
  const newest = Math.min(...nodes.map(({ ageMs }) => ageMs))
  return Math.max(0, newest) + (now - seenAt)
}

function timelineOf({ seen }: Candidate): number {
  return seen.timeline ?? 0
}

function readerLine(
  { place, seen, ageMs }: Candidate & { readonly ageMs: number },
  primary: Candidate | undefined,
): string {
  const age = `${(ageMs / 1000).toFixed(1)} s old`
  if (!seen.primary) return `retrievals only: standby ${place}, ${age}`
  const why = primary?.seen.synchronous ? 'no standby confirms its commits' : 'not confirmed yet'
  return `retrievals only: primary ${place}, ${why}, ${age}`
}

function nothingLine(views: readonly HostView[], { now, floor, maxStalenessMs }: ChooseOptions) {
  const lines = views.map(({ place, sighting, fault }) => {
    if (!sighting) return `${place}: ${fault ?? 'not asked yet'}`
    const refusal = refusalOf(sighting, floor)
    if (refusal !== undefined) return `${place}: ${refusal}`
    const ageMs = ageOf(sighting, now)
    const age = Number.isFinite(ageMs) ? `${(ageMs / 1000).toFixed(1)} s` : 'unknown'
    const name = sighting.primary ? 'primary that no standby confirms' : 'standby'
    return `${place}: ${name}, age ${age}, over ${maxStalenessMs / 1000} s`
  })
  return lines.join('; ')
}
