/** One request to the key API, and everything its handler may ask. */
import type { Clock } from '@keyhsm/core'
import type { Acls } from '../access/acls.js'
import type { Groups } from '../access/groups.js'
import type { AuditTrail } from '../audit/audit-trail.js'
import type { Caller } from '../authentication/caller.js'
import type { Meters } from '../metrics/meters.js'
import type { KeyStore } from '../zone-keys/key-store.js'

/** What settings and configuration say to the API. */
export interface ApiSettings {
  readonly defaultCipher: string
  readonly defaultBits: number
  /** Per-key rules are asked. */
  readonly keyAuthorization: boolean
  /** Raw key material may be answered at all. */
  readonly exportMaterial: boolean
  readonly maxKeysPerCall: number
  readonly maxBatch: number
}

/** The service as handlers see it. */
export interface Kms {
  readonly keys: KeyStore
  readonly acls: () => Acls
  readonly groups: Groups
  readonly audit: AuditTrail
  readonly meters: Meters
  readonly clock: Clock
  readonly settings: () => ApiSettings
}

export interface Call {
  readonly kms: Kms
  readonly caller: Caller
  readonly groups: readonly string[]
  readonly query: URLSearchParams
  readonly body: Buffer
  /** Key or version name of the path, decoded. */
  readonly name: string
  readonly peerAddress: string
  /** `http(s)://host:port` as the caller wrote it. */
  readonly origin: string
  readonly delivered: Promise<boolean>
  readonly requestId: string
}

/** An answer that is no error. `body` absent: an empty one. */
export interface Answer {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

export type Meter =
  | 'admin'
  | 'key'
  | 'generate_eek'
  | 'decrypt_eek'
  | 'reencrypt_eek'
  | 'reencrypt_eek_batch'

/** A method of an endpoint. */
export interface Endpoint {
  readonly meter: Meter
  run(call: Call): Promise<Answer>
}
