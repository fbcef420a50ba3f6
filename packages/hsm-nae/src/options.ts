import type { DomainError, Fingerprint, SecretBytes } from '@keyhsm/core'
import type { NaeDialect } from './dialect/dialect.js'

/** One appliance of a cluster. */
export interface NaeNode {
  /** Host name or IP address. */
  readonly host: string
  /** 9000 by default on the appliance; the manual's example has 9020. */
  readonly port: number
}

/**
 * Whom to trust. With `pinned` a node must show exactly one of these certificates, which may then be expired and
 * self-signed: the pin proves more than a date. With `ca` the usual checks hold, host name and dates included.
 */
export interface NaeTls {
  /** SHA-256 of the certificate's DER form; one for each node, or one that all share. */
  readonly pinned?: readonly Fingerprint[]
  /** PEM. */
  readonly ca?: string
}

/** Milliseconds. The defaults are those of the vendor's own client, except where a service must not wait so long. */
export interface NaeTimers {
  /** TCP and TLS handshake and login. */
  readonly connectMs: number
  /** For the answer to a request. */
  readonly readMs: number
  /** For the answer to a request that makes keys. */
  readonly keyGenMs: number
  /** An idle connection is closed after this; must be less than the appliance's own time limit. */
  readonly idleMs: number
  /** How long a node that failed is asked last. */
  readonly asideMs: number
  /** How long a key that was made, changed or deleted is asked only of the node that did it. */
  readonly affinityMs: number
  /** Pause between the two looks that together prove that a key is gone. */
  readonly secondLookMs: number
  /** How long facts about a key are remembered. */
  readonly factsMs: number
}

/** 170 s: four attempts at replication, 40 s each, and ten more. */
export const defaultTimers: NaeTimers = {
  connectMs: 10_000,
  readMs: 7_000,
  keyGenMs: 60_000,
  idleMs: 300_000,
  asideMs: 60_000,
  affinityMs: 170_000,
  secondLookMs: 250,
  factsMs: 60_000,
}

/** Where the driver says what happens to it. No password and no key material is ever given to it. */
export interface NaeLog {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export const silentLog: NaeLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}

/** What one connection needs to know. */
export interface LinkOptions {
  /** Undefined: plain TCP, over which everybody on the way reads the password. */
  readonly tls: NaeTls | undefined
  readonly user: string
  readonly dialect: NaeDialect
  readonly timers: NaeTimers
}

export interface NaeOptions {
  /** At least one. Writes go to the first that answers, so that all Key HSMs of a site write to the same. */
  readonly nodes: readonly NaeNode[]
  readonly tls?: NaeTls
  readonly user: string
  /** Copied; the copy lives until `close`, because a lost connection must log in again. */
  readonly password: SecretBytes
  readonly dialect?: NaeDialect
  readonly timers?: Partial<NaeTimers>
  /** Connections to each node, each with one request in flight. Default 8. */
  readonly connections?: number
  /** How RSA keys wrap: in the device (default), or in software with the public key read from the device. */
  readonly wrap?: 'device' | 'software'
  readonly log?: NaeLog
  /** Called once, before anything else, when the appliance refused the login. It is not tried again. */
  readonly onLoginRefused?: (error: DomainError) => void
}
