/** The words of the audit: what a service says, what it gets back, who signs. `open-audit.ts` makes one. */
import type { Clock, DomainError } from '@keyhsm/core'

/** Where an operation stands: about to happen, ended, or something worth knowing that is no operation. */
export type AuditEvent = 'intent' | 'outcome' | 'note'

export const auditOutcomes = [
  'stored',
  'released',
  'revoked',
  'refused',
  'integrity',
  'irretrievable',
  'unavailable',
  'unknown',
  'done',
] as const
export type AuditOutcome = (typeof auditOutcomes)[number]

/** What a service puts in; sequence, time, service and hashes are added when it is written. Never holds a secret. */
export interface AuditEntry {
  readonly event: AuditEvent
  /** `put`, `get`, `seal`, `open`, `revoke`, `enrol`, `start`, … */
  readonly operation: string
  readonly requestId: string
  /** Who asked: a client's uuid, an administrator's name, `service`. */
  readonly actor: string
  /** What it is about, e.g. `{ handle, deposit, hsmKeyId }`. */
  readonly subject?: Readonly<Record<string, string | number>> | undefined
  readonly outcome?: AuditOutcome | undefined
  readonly reason?: string | undefined
}

/** A place in the chain: the entry with this sequence has this hash. */
export interface AuditHead {
  readonly sequence: number
  /** 64 lower-case hex digits. */
  readonly hash: string
}

/** An entry that is on disk, and where. */
export interface WrittenEntry {
  readonly entry: AuditEntry
  readonly head: AuditHead
}

/** Signs checkpoints. The key must be used for nothing else. */
export interface AuditSigner {
  readonly keyId: string
  /** SubjectPublicKeyInfo, PEM: what an auditor keeps outside the log. */
  readonly publicKey: string
  /** ECDSA P-256 with SHA-256 as r ‖ s (64 bytes), or Ed25519 (64 bytes). Needs a deadline of its own. */
  sign(message: Buffer): Promise<Buffer>
}

/** How the audit is doing. */
export interface AuditState {
  readonly healthy: boolean
  readonly detail: string
  /** Entries after the last signed checkpoint; absent where nothing is signed. */
  readonly unsigned?: number
  /** The last checkpoint could not be signed or written; absent where nothing is signed. */
  readonly checkpointFailed?: boolean
}

export interface Audit {
  /** Name of this log among all others: 16 hex digits. */
  readonly id: string
  /**
   * Resolves when the entry is on disk. One call may share its write with others that wait.
   * @throws ERR_AUDIT_UNAVAILABLE when it is not: the operation must not go on. ERR_INVALID_INPUT for an entry that
   * cannot be written (over 16 KiB, bad outcome).
   */
  append(entry: AuditEntry): Promise<AuditHead>
  /** The last entry that is on disk. */
  head(): AuditHead
  /** Records what another service says is the head of its own log. `peerService`: `SERVICE/ID`, or `SERVICE/ID@REALM`. */
  anchor(peerService: string, sequence: number, hash: string): Promise<AuditHead>
  /**
   * Signs the head now; does nothing without a signer or when the head is signed already.
   * @throws what the signer throws; ERR_AUDIT_UNAVAILABLE.
   */
  checkpoint(): Promise<void>
  /** For the health line. Healthy means: an entry appended now is expected to reach the disk. */
  state(): AuditState
  /** Waits for what was appended, signs a last checkpoint, releases the directory. Safe to call twice. */
  close(): Promise<void>
}

export interface AuditOptions {
  /** Made with mode 0700 when absent. */
  readonly directory: string
  /** Name of this service and node; a checkpoint is worth nothing in the log of another. */
  readonly service: string
  readonly clock?: Clock
  /** A function is asked at each checkpoint, and may say that there is none now, or throw while it cannot know. */
  readonly signer?: AuditSigner | (() => AuditSigner | undefined)
  /** A file that has grown past this is closed and the next one begun. Default 16 MiB. */
  readonly maxFileBytes?: number
  /** A checkpoint at the latest after this many entries. Default 1000. */
  readonly checkpointEvery?: number
  /** … and after this time when there are new entries. Default 60,000. */
  readonly checkpointIntervalMs?: number
  /** First pause before the log is tried again after a failed write; doubles up to 20 times this. Default 250. */
  readonly retryMs?: number
  /** Told of what nobody waits for: a failed write and its end, a checkpoint that could not be signed. */
  readonly onProblem?: (error: DomainError) => void
  /** Told of all entries in their order, some at a time, once they are on disk, e.g. to copy them to the log. Must neither throw nor wait. */
  readonly onEntries?: (entries: readonly WrittenEntry[]) => void
}
