/** What is known of one copy of the database, and of the servers that write to it. Times in ms of a monotonic clock. */
import type { Fingerprint, Uuid } from '@keyhsm/core'
import type { NodeKeyHsm } from '../../installation.js'

/** How a server is known to the others of its installation. */
export interface NodeIdentity {
  readonly node: Uuid
  readonly name: string
  /** Where clients reach it. */
  readonly url: string
  readonly serverFingerprint: Fingerprint
  readonly version: string
}

export interface NodeSeen extends NodeIdentity {
  readonly timeline: number
  /** Age of its last beat, by the clock of the copy that was asked. */
  readonly ageMs: number
  /** How its Key HSM was when that last changed; absent where it does not say. */
  readonly keyHsm?: NodeKeyHsm
}

export interface Sighting {
  /** When this was asked for: nothing of it is younger. */
  readonly seenAt: number
  readonly primary: boolean
  /** Tells this database from every other, whatever its timeline. */
  readonly system: string
  /** Of a standby: that of the newest beat it has replayed; undefined without any. */
  readonly timeline: number | undefined
  /** Whether a commit waits for a standby. */
  readonly synchronous: boolean
  /** Whether this server was taken out of the installation: nothing may be served, nor written. */
  readonly removed?: boolean
  readonly nodes: readonly NodeSeen[]
  /** Of a primary: when the last beat began that was committed as surely as a deposit is. */
  readonly confirmedAt?: number
  /** Of a primary: nothing is acknowledged before, because servers may still believe in the one before. */
  readonly heldUntil?: number
}

/** A copy, and either what was seen of it or why nothing is. */
export interface HostView {
  readonly place: string
  readonly sighting: Sighting | undefined
  readonly fault: string | undefined
}

/** The highest timeline seen of a database: a lower one was left behind by a promotion. */
export interface SeenTimeline {
  readonly system: string
  readonly timeline: number
}
