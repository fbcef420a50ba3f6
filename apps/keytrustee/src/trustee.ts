/** What every operation of the server is given: its surroundings as one record, so that tests can make their own. */
import type { Clock } from '@keyhsm/core'
import type { Audit } from '@keyhsm/service'
import type { Holds } from './backup/holds.js'
import type { DepositQueue } from './deposits/deposit-queue.js'
import type { RevocationLog } from './deposits/revocation-log.js'
import type { Grants } from './grants.js'
import type { FollowedDirection } from './migration/directions.js'
import type { MovesUnderWay } from './migration/moves-under-way.js'
import type { Sealing } from './sealing/sealer.js'
import type { SharedTransactions } from './store/share-transactions.js'
import type { Client, Organisation, Store } from './store/store.js'

/** Bounds from the settings. Sizes in bytes, times in milliseconds. */
export interface Limits {
  readonly contentBytes: number
  readonly depositsPerClient: number
  readonly depositsPerOrganisation: number
  readonly hsmKeysPerHourPerClient: number
  readonly hsmKeysPerHourPerOrganisation: number
  readonly waitingClientsPerOrganisation: number
  /** How long a removal can be undone. */
  readonly undeleteMs: number
  /** Age between the first report of an orphan and its destruction. */
  readonly pruneMinAgeMs: number
  /** How long trustees have to approve a request, and its approvals can be used. */
  readonly approvalMs: number
}

export interface Trustee {
  readonly store: Store
  /** Transactions of puts, by organisation. */
  readonly commits: SharedTransactions
  readonly grants: Grants
  readonly audit: Pick<Audit, 'append'>
  readonly sealing: Sealing
  readonly directions: FollowedDirection
  readonly queue: DepositQueue
  readonly moves: MovesUnderWay
  readonly revocations: RevocationLog
  readonly holds: Holds
  readonly clock: Clock
  readonly limits: Limits
}

/** A client whose certificate, row, state, key and grants were verified for this request. */
export interface Caller {
  readonly client: Client
  readonly organisation: Organisation
}
