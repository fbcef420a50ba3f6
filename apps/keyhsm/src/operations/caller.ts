/** What every operation works with, and for whom. */
import type { Clock, Realm } from '@keyhsm/core'
import type { Audit, Log } from '@keyhsm/service'
import type { Partition } from '../partition/partition.js'
import type { Scope } from '../settings.js'
import type { UsedRequests } from './check-approval.js'
import type { OpenRate } from './open-rate.js'

/** The settings that operations read; a reload exchanges them as one. */
export interface SealSettings {
  readonly scope: Scope
  readonly maxContentBytes: number
}

export interface Workshop {
  readonly partition: Partition
  readonly audit: Audit
  readonly clock: Clock
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  readonly settings: SealSettings
  readonly openRate: OpenRate
  readonly usedRequests: UsedRequests
}

/** Who asks: the realm is the trusted certificate's, never a field of a request. */
export interface Caller {
  /** As the audit names it. */
  readonly actor: string
  readonly realm: Realm
}
