/** Between the host's main thread and a worker thread. */
import type { CryptokiHandle } from '../cryptoki.js'
import type { Sharing, WireError } from '../messages.js'
import type { Pkcs11Profile } from '../profile.js'
import type { FailureClass } from '../return-codes.js'
import type { JobName } from './jobs/job-table.js'

/** The first message to a worker: until then it has loaded no library. */
export interface WorkerSetup {
  readonly library: string
  readonly slot: CryptokiHandle
  readonly profile: Pkcs11Profile
  readonly stamp: Sharing['stamp']
}

export interface JobMessage {
  readonly job: number
  readonly name: JobName
  readonly args: unknown
  /** The token's stamp when the directory was last known to be complete; with writes and scans only. */
  readonly knownStamp: string | undefined
}

/** A job's failure: the error to report and, where the library answered, what its number means. */
export interface JobFailure {
  readonly error: WireError
  readonly means: FailureClass | undefined
}

/** The token's stamp before and after a write or scan; undefined where there is none. */
export interface Stamps {
  readonly before: string | undefined
  readonly after: string | undefined
}

export type WorkerMessage =
  | { readonly type: 'up' }
  | { readonly type: 'down'; readonly failure: JobFailure }
  | {
      readonly type: 'done'
      readonly job: number
      readonly result: unknown
      readonly stamps: Stamps | undefined
    }
  | {
      readonly type: 'failed'
      readonly job: number
      readonly failure: JobFailure
      readonly stamps: Stamps | undefined
    }
