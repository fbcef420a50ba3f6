/** What every operation works with, and for whom. */
import type { Clock, Fingerprint, Realm } from '@keyhsm/core'
import type { Audit, Log } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'
import type { Partitions } from '../partition/partitions.js'
import type { Scope } from '../settings.js'
import type { UsedRequests } from './check-approval.js'
import type { RealmRate } from './realm-rate.js'

/** The settings that operations read; a reload exchanges them as one. */
export interface SealSettings {
  readonly scope: Scope
  readonly maxContentBytes: number
}

export interface Workshop {
  readonly partitions: Partitions
  readonly audit: Pick<Audit, 'append'>
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  readonly settings: SealSettings
  readonly openRate: RealmRate
  readonly resealRate: RealmRate
  readonly revokeRate: RealmRate
  readonly usedRequests: UsedRequests
}

/** What the service's routes work with: they also show the audit, and sign it. */
export interface WholeWorkshop extends Workshop {
  readonly audit: Audit
}

/** The workshop at one of its partitions. */
export interface PlacedWorkshop extends Workshop {
  readonly partition: Partition
}

/** The workshop at the partition that a caller joined. @throws as `Partitions.requireCanary`. */
export function within(workshop: Workshop, canary: Fingerprint): PlacedWorkshop {
  return { ...workshop, partition: workshop.partitions.requireCanary(canary) }
}

/** Who asks: the realm is the trusted certificate's, never a field of a request. */
export interface Caller {
  /** As the audit names it. */
  readonly actor: string
  readonly realm: Realm
}
